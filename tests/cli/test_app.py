"""The command: what it prints, its exit codes, and one line for what a person can put right."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli import app
from pipeline.collection import demos
from pipeline.collection.demos import encode_grey_png
from pipeline.errors import SourceError
from pipeline.paths import Paths
from pipeline.sources import open_source
from pipeline.stages import validate
from pipeline.tables.parquet import write_table

Said = tuple[int, str, str]  # exit code, stdout, stderr
Darkroom = Callable[..., Said]


@pytest.fixture
def darkroom(project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Darkroom:
    """`darkroom("predict", path)`: run the command in the project's folder."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("COLUMNS", "120")

    def darkroom(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["darkroom", *map(str, words)])
        code = 0
        try:
            app.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return darkroom


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pipeline.cli import main; sys.argv = ['darkroom', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'sklearn', 'pandas', 'pyarrow', 'numpy', 'pydantic'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "predict" in done.stdout


def test_an_unknown_command_is_a_usage_error(darkroom: Darkroom) -> None:
    code, _, error = darkroom("develop")
    assert code == 2
    assert "No such command 'develop'" in error


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


def test_summary_says_how_good_what_was_decided_and_where_to_look(darkroom: Darkroom, project: Paths) -> None:
    decision = {"verdict": "HOLD", "reasons": ["no gain"], "model_name": "darkroom", "version": 2}
    metrics = {"accuracy": 0.9, "accuracy/low": 0.85, "accuracy/high": 0.95}
    for path, values in ((project.decision, decision), (project.metrics("evaluate"), metrics)):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    code, said, _ = darkroom("summary")
    assert code == 0
    assert [line.split("  ", 1)[0] for line in said.splitlines()] == [
        "Test accuracy",
        "Promotion",
        "Pictures",
        "Compare in MLflow",
    ]
    assert "90.0% (85.0% to 95.0%)" in said
    assert "HOLD darkroom version 2: no gain" in said
    assert "make ui" in said


def test_summary_before_a_run_says_what_to_run(darkroom: Darkroom) -> None:
    expected = "error: data/evaluate/metrics.json does not exist; run `make run` first\n"
    assert darkroom("summary") == (1, "", expected)


def test_predict_lists_every_file(darkroom: Darkroom, tmp_path: Path, classifier_folder: Path) -> None:
    for name, data in {
        "black.png": encode_grey_png([bytes(8)] * 8),
        "not [an] image.png": b"no",
        "white.png": encode_grey_png([b"\xff" * 8] * 8),
    }.items():
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    code, said, _ = darkroom("predict", tmp_path / "in", "--model", classifier_folder, "--top", 2)
    assert code == 0
    rows = ["".join(line.split()).strip("│|") for line in said.splitlines()]
    assert [cell for row in rows if "0." in row for cell in row.split("│")[-2:]] == [
        "dark",
        "0.9997",
        "light",
        "0.0003",
        "light",
        "0.9997",
        "dark",
        "0.0003",
    ]
    assert "not_an_image" in said


def test_predict_uses_the_last_runs_model_and_writes_csv(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    project.classifier.parent.mkdir(parents=True)
    project.classifier.symlink_to(classifier_folder)
    code, said, _ = darkroom("predict", "data/raw/circle", "--csv", "answers.csv")
    assert (code, said) == (0, "10 files in answers.csv, 0 of them could not be read\n")
    lines = (project.root / "answers.csv").read_text().splitlines()
    assert lines[0] == "file,reason,class,probability"
    assert lines[1].startswith("data/raw/circle/0.png,,dark,0.99")
    assert len(lines) == 11


def test_predict_fails_when_nothing_could_be_read(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    code, said, error = darkroom("predict", tmp_path / "a.png", "--model", classifier_folder)
    assert code == 1
    assert "not_an_image" in said
    assert error.endswith("error: none of the 1 files could be read as an image\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["nowhere.png"], "nowhere.png does not exist; name images", id="no-such-file"),
        pytest.param(["data/raw"], "data/train/classifier is not a classifier", id="no-model-yet"),
        pytest.param(["data/raw", "--model", "data"], "data is not a classifier", id="another-folder"),
    ],
)
def test_predict_says_what_is_missing(words: list[str], message: str, darkroom: Darkroom) -> None:
    code, said, error = darkroom("predict", *words)
    assert (code, said) == (1, "")
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.fixture
def looked_at(project: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The project with a file that is no image and one with an odd name, as validate sees it."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    (project.raw / "line" / "bad.png").write_bytes(b"no image")
    (project.raw / "line" / "[red] -1.png").write_bytes(encode_grey_png([b"\0\1"] * 2))
    source = open_source(
        project.raw, ignore=[".*"], class_names=[], csv_label_column="label", csv_image_hw=(2, 2)
    )
    limits = {"max_pixels": 10**6, "min_side_px": 4, "min_local_contrast": 0, "max_seconds": 5}
    manifest = validate.manifest_of(source, formats=("PNG",), **limits)
    write_table(manifest, project.raw_manifest)
    write_table(validate.class_table(manifest, source.labels), project.raw_classes)
    return project


def test_quarantine_list_names_every_file_and_counts(darkroom: Darkroom, looked_at: Paths) -> None:
    code, said, _ = darkroom("quarantine", "list")
    assert code == 0
    assert "line/[red] -1.png" in said
    assert said.endswith("2 files: too_small 1, not_an_image 1\n")
    assert darkroom("quarantine", "list", "--label", "circle")[1] == "no quarantined file\n"


def test_quarantine_list_writes_csv(darkroom: Darkroom, looked_at: Paths) -> None:
    code, said, _ = darkroom("quarantine", "list", "--reason", "too_small", "--csv", "away.csv")
    assert (code, said) == (0, "1 files: too_small 1, in away.csv\n")
    lines = (looked_at.root / "away.csv").read_text().splitlines()
    assert lines[0] == "key,label,reason,detail,id"
    assert lines[1].startswith("line/[red] -1.png,line,too_small,")


def test_quarantine_decides_from_any_folder_below(
    darkroom: Darkroom, looked_at: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(looked_at.raw / "line")
    code, said, _ = darkroom("quarantine", "restore", "[red] -1.png", "--note", "tiny, fine")
    assert (code, said.splitlines()[0]) == (0, "line/[red] -1.png: goes on as line")
    darkroom("quarantine", "drop", "1.png", "2.png")
    darkroom("quarantine", "relabel", "line/3.png", "--to", "circle")
    darkroom("quarantine", "undo", "line/1.png")
    text = looked_at.overrides.read_text()
    assert [line.split(",", 1)[1] for line in text.splitlines()[1:]] == [
        "line/2.png,drop,,",
        "line/3.png,relabel,circle,",
        'line/[red] -1.png,restore,,"tiny, fine"',
    ]


def test_quarantine_show_draws_and_prints(darkroom: Darkroom, looked_at: Paths) -> None:
    code, said, _ = darkroom("quarantine", "show", "line/bad.png", "line/1.png")
    assert code == 0
    assert {"not_an_image", "line/1.png"} <= set(said.split())
    assert said.endswith(f"drawn in {looked_at.root / 'data' / 'shown.png'}\n")
    assert looked_at.shown.read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["restore", "line/bad.png"], "line/bad.png cannot be restored: it is not_an_image", id="bad"
        ),
        pytest.param(["drop", "line/bat.png"], "did you mean line/bad.png", id="no such file"),
        pytest.param(["relabel", "line/1.png", "--to", "cirle"], "did you mean circle?", id="no such class"),
        pytest.param(
            ["list", "--reason", "small"], "there is no reason 'small' (did you mean", id="no such reason"
        ),
    ],
)
def test_quarantine_refuses_in_one_line(
    darkroom: Darkroom, looked_at: Paths, words: list[str], message: str
) -> None:
    code, said, error = darkroom("quarantine", *words)
    assert (code, said) == (1, "")
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not looked_at.overrides.exists()
