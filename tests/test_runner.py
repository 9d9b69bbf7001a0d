"""A stage as DVC runs it: exit code, one line of error, metrics.json."""

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline import runner
from pipeline.errors import DataError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.runner import StageMain, run_stage
from pipeline.tracking.runs import Run


@pytest.fixture(autouse=True)
def leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's process ends at once, and here that process is pytest's."""
    monkeypatch.setattr(runner, "leave", sys.exit)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "runner")  # which a stage sets for its process


def end_with(outcome: BaseException | dict[str, float]) -> StageMain:
    """A stage's main that returns metrics or raises."""

    def main(params: Params, paths: Paths, run: Run) -> dict[str, float]:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return main


@pytest.mark.parametrize(
    ("outcome", "code", "line"),
    [
        pytest.param({"n": 1.0}, 0, "", id="done"),
        pytest.param(DataError("what is wrong"), 1, "clean: what is wrong", id="an error of the user's"),
        pytest.param(KeyboardInterrupt(), 130, "clean: interrupted", id="ctrl-c"),
    ],
)
def test_exit_code(
    outcome: BaseException | dict[str, float],
    code: int,
    line: str,
    project: Paths,
    tracking_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DVC_ROOT", str(tracking_root))
    monkeypatch.setattr(logging.root, "handlers", [])
    with pytest.raises(SystemExit) as ended:
        run_stage("clean", end_with(outcome))
    assert ended.value.code == code
    said = capsys.readouterr().err
    assert line in said
    assert "Traceback" not in said
    assert project.metrics("clean").is_file() == (code == 0)


def test_an_edit_while_a_stage_runs_ends_it_with_a_sentence(
    project: Paths, tracking_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The decision came too late to be obeyed, and must not be recorded as obeyed."""
    stage = "{cmd: clean, deps: [data/overrides.csv], metrics: [data/clean/metrics.json: {cache: false}]}"
    (project.root / "dvc.yaml").write_text(f"stages:\n  clean: {stage}\n")
    project.overrides.write_text("before")

    def main(params: Params, paths: Paths, run: Run) -> dict[str, float]:
        paths.overrides.write_text("after")
        return {"n": 1.0}

    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DVC_ROOT", str(tracking_root))
    monkeypatch.setattr(logging.root, "handlers", [])
    with pytest.raises(SystemExit) as ended:
        run_stage("clean", main)
    assert ended.value.code == 1
    assert "ERROR clean: data/overrides.csv was changed while clean ran" in capsys.readouterr().err
    assert not project.metrics("clean").exists()


def test_a_bug_keeps_its_traceback(
    project: Paths, tracking_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DVC_ROOT", str(tracking_root))
    with pytest.raises(ZeroDivisionError):
        run_stage("clean", end_with(ZeroDivisionError()))


def test_bad_params_are_one_line_and_exit_1(project: Paths) -> None:
    project.params.write_text(project.params.read_text().replace("channels", "chanels"))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.stages.split"],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "ERROR split: params.yaml: clean.channels is missing; clean.chanels is not a known key "
        "(did you mean channels?)"
    ]


def test_a_log_line_holds_nothing_that_a_terminal_obeys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    runner.set_up_logging()
    logging.getLogger("darkroom").warning("a class %s:\n%s", "\x1b[2Jb\u202e", "next line")
    assert capsys.readouterr().err == "WARNING a class \\x1b[2Jb\\xe2\\x80\\xae:\nnext line\n"


def test_a_stage_waits_for_another_process_that_runs_it(
    project: Paths, tracking_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where DVC alone was killed, the stage it had started lives on, and would write beside the next."""
    code = "import sys\nfrom pathlib import Path\nfrom pipeline.storage import lock\n"
    code += "with lock(Path(sys.argv[1])):\n print('held', flush=True)\n sys.stdin.readline()"
    place = project.root / runner._LOCKS / "clean.lock"
    place.parent.mkdir(parents=True)
    command = [sys.executable, "-c", code, str(place)]
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DVC_ROOT", str(tracking_root))
    monkeypatch.setattr(logging.root, "handlers", [])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        release = threading.Timer(1.0, other.stdin.close)
        release.start()
        with pytest.raises(SystemExit) as ended:
            run_stage("clean", end_with({"n": 1.0}))
        release.join()
        assert other.wait(30) == 0
    assert ended.value.code == 0
    assert "another process runs clean in this folder: waiting for it" in capsys.readouterr().err


def test_a_stage_that_only_helps_leaves_nothing(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock, no run, no metrics: those are of the machine that it helps."""
    before = sorted(project.root.rglob("*"))
    monkeypatch.setenv("DARKROOM_HOSTS", "2")
    monkeypatch.setenv("DARKROOM_HOST", "1")
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(logging.root, "handlers", [])
    with pytest.raises(SystemExit) as ended:
        run_stage("train", end_with({"n": 1.0}))
    assert ended.value.code == 0
    assert sorted(project.root.rglob("*")) == before
