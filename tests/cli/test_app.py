"""The command: its help, exit codes, and one line for what a person can put right."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import IO

import pytest

from pipeline.collection import demos
from pipeline.errors import SourceError
from pipeline.paths import Paths

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pipeline.cli.app import main; sys.argv = ['darkroom', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'sklearn', 'pandas', 'pyarrow', 'numpy', 'pydantic'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "predict" in done.stdout


def test_version(darkroom: Darkroom) -> None:
    assert darkroom("--version") == (0, f"darkroom {version('darkroom')}\n", "")


def test_a_shell_can_complete_the_commands() -> None:
    code = "from pipeline.cli.app import main; main()"
    asked = {"_DARKROOM_COMPLETE": "complete_bash", "COMP_WORDS": "darkroom qua", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = ['darkroom']; {code}"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["quarantine"], "")


def test_an_unknown_command_is_a_usage_error(darkroom: Darkroom) -> None:
    code, _, error = darkroom("develop")
    assert code == 2
    assert "No such command 'develop'" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", ""], "an argument is empty"),
        (["predict", "a.png", "--model", ""], "--model is empty"),
        (["predict", "a.png", "--out="], "--out is empty"),
        (["serve", "--token", ""], "--token is empty"),
        (["export", ""], "an argument is empty"),
        (["labels", "queue", "scans", ""], "an argument is empty"),
        (["registry", "history", "--name", ""], "--name is empty"),
        (["synthesize", ""], "an argument is empty"),
    ],
)
def test_an_empty_word_is_refused(words: list[str], said: str, darkroom: Darkroom) -> None:
    """A path of no characters is the working folder, which nobody meant."""
    code, out, error = darkroom(*words)
    assert (code, out) == (1, "")
    assert error.startswith(f"error: {said}, as a variable of the shell without a value is")
    assert error.count("\n") == 1


def test_a_note_may_be_empty(darkroom: Darkroom) -> None:
    assert "is empty" not in darkroom("labels", "accept", "a", "--note", "")[2]


def test_a_deleted_working_folder_is_one_line(
    darkroom: Darkroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for words in (["summary"], ["check"], ["predict", "a.png"], ["demo", "digits"], ["setup", "pictures"]):
        said = "error: the working folder was deleted; go to the project's folder\n"
        assert darkroom(*words) == (1, "", said)


@pytest.mark.parametrize(
    "words", [["registry", "history"], ["registry", "verify"], ["predict", "data"], ["compare"]], ids=" ".join
)
def test_a_malformed_address_of_a_server_is_one_line(
    words: list[str], darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@[::1")
    code, _, error = darkroom(*words)
    assert (code, error.count("\n")) == (1, 1)
    assert "MLflow at http://***@[::1 cannot be used (the address is malformed)" in error


def test_demo_fills_an_empty_folder(
    darkroom: Darkroom, project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demos, "DEMOS", {"fashion-mnist": lambda folder: (folder / "a").touch()})
    project.raw.rename(project.root / "mine")
    code, said, error = darkroom("demo", "fashion-mnist")
    assert (code, error) == (0, "")
    assert said.startswith(f"fashion-mnist is in {project.raw}\n")
    assert "  class_names: [T-shirt, Trouser, Pullover," in said
    assert [path.name for path in project.raw.iterdir()] == ["a"]


def test_demo_refuses_a_folder_with_something_in_it(darkroom: Darkroom, project: Paths) -> None:
    before = sorted(project.raw.rglob("*"))
    code, said, error = darkroom("demo", "digits")
    assert (code, said) == (1, "")
    assert error.startswith(f"error: {project.raw} already holds 'circle' and nothing is ever overwritten")
    assert error.count("\n") == 1
    assert sorted(project.raw.rglob("*")) == before


def test_demo_if_empty_does_nothing_in_silence(darkroom: Darkroom, project: Paths) -> None:
    before = sorted(project.raw.rglob("*"))
    assert darkroom("demo", "digits", "--if-empty") == (0, "", "")
    assert sorted(project.raw.rglob("*")) == before


def test_demo_names_those_there_are(darkroom: Darkroom, project: Paths) -> None:
    project.raw.rename(project.root / "mine")
    code, _, error = darkroom("demo", "mist")
    assert code == 1
    assert error == "error: there is no demo 'mist'; allowed: digits, fashion-mnist, mnist\n"


def test_an_error_is_one_line_with_brackets_and_all(
    darkroom: Darkroom, project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise SourceError("cannot [download] " + "a long way " * 30)

    monkeypatch.setattr(demos, "DEMOS", {"mnist": fail})
    project.raw.rename(project.root / "mine")
    code, _, error = darkroom("demo", "mnist")
    assert code == 1
    assert error == "error: cannot [download] " + "a long way " * 30 + "\n"


def test_a_bug_keeps_its_traceback(
    darkroom: Darkroom, project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demos, "DEMOS", {"mnist": lambda _: 1 // 0})
    project.raw.rename(project.root / "mine")
    with pytest.raises(ZeroDivisionError):
        darkroom("demo", "mnist")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", ["summary", "--help", "--version"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_the_output_is_one_line(words: str, unbuffered: str, project: Paths) -> None:
    write_result(project)
    with Path("/dev/full").open("wb") as full:
        code, error = run_into(full, project, words, PYTHONUNBUFFERED=unbuffered)
    told = "error: standard output cannot be written: No space left on device; free space on that disk"
    assert (code, error) == (1, f"{told} and run it again\n")


def test_a_closed_pipe_is_quiet(project: Paths) -> None:
    write_result(project)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as pipe:
        assert run_into(pipe, project, "summary") == (1, "")


def run_into(output: IO[bytes], project: Paths, *words: str, **variables: str) -> tuple[int, str]:
    """The exit code and the errors of the command, in a process of its own that writes to `output`."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.app", *words],
        cwd=project.root,
        env=os.environ | variables | {"PYTHONPATH": str(Path(demos.__file__).parents[2])},
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def write_result(project: Paths) -> None:
    decision = {"verdict": "HOLD", "reasons": ["no gain"], "model_name": "darkroom", "version": 2}
    metrics = {"accuracy": 0.9, "accuracy_low": 0.85, "accuracy_high": 0.95}
    for path, values in ((project.decision, decision), (project.metrics("evaluate"), metrics)):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))


def test_summary_says_how_good_what_was_decided_and_where_to_look(darkroom: Darkroom, project: Paths) -> None:
    write_result(project)
    code, said, _ = darkroom("summary")
    assert code == 0
    assert [line.split("  ", 1)[0] for line in said.splitlines()] == [
        "Collection",
        "Test accuracy",
        "Promotion",
        "Mistakes",
        "Compare",
        "Keep",
    ]
    assert "90.0% (85.0% to 95.0%)" in said
    assert "HOLD darkroom version 2: no gain" in said
    assert "darkroom ui" in said


def test_summary_before_a_run_says_what_to_run(darkroom: Darkroom) -> None:
    expected = "error: data/evaluate/metrics.json does not exist; run `dvc repro`\n"
    assert darkroom("summary") == (1, "", expected)
