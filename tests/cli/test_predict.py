"""`darkroom predict`: every file listed, in a table or a CSV, and what is missing said in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.paths import Paths

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


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


def test_names_that_a_terminal_would_obey_are_spelt_out(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path
) -> None:
    """A classifier, and a folder, from elsewhere."""
    folder = Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))
    settings = (folder / "classifier.json").read_text().replace("dark", "da\\u001b[2Jrk\\u202e")
    (folder / "classifier.json").write_text(settings)
    (tmp_path / "a\u202eb.png").write_bytes(encode_grey_png([bytes(8)] * 8))
    code, said, _ = darkroom("predict", tmp_path / "a\u202eb.png", "--model", folder)
    assert code == 0
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "da\\x1b[2Jrk\\xe2\\x80\\xae" in "".join(said.split())
    code, _, error = darkroom("predict", tmp_path / "no\u202e.png", "--model", folder)
    assert code == 1
    assert "no\\xe2\\x80\\xae.png does not exist" in error


def test_answers_that_cannot_be_written_are_one_line(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    code, said, error = darkroom(
        "predict", "data/raw/circle", "--model", classifier_folder, "--csv", "params.yaml/a.csv"
    )
    assert (code, said) == (1, "")
    assert error.startswith("error: params.yaml/a.csv cannot be written: ")
    assert error.endswith("; a file lies where a folder should be; move it away\n")
