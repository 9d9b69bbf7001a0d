"""`darkroom predict`: every file listed, in a table or a CSV, and what is missing said in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.paths import Paths
from pipeline.serving import decoding
from tests.slow_pictures import stall

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
    assert said.startswith(f"model: {classifier_folder}\n")
    assert said.endswith("\n3 files: 1 as dark, 1 as light, 1 could not be read (the reasons are above)\n")


def test_the_column_of_reasons_is_there_where_a_file_has_one(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no")
    for files, has_reasons in ((["data/raw/line"], False), (["data/raw/line", tmp_path / "bad.png"], True)):
        code, said, _ = darkroom("predict", *files, "--model", classifier_folder)
        assert code == 0
        assert ("reason " in said) == has_reasons


def test_a_long_name_is_kept_whole(darkroom: Darkroom, tmp_path: Path, classifier_folder: Path) -> None:
    name = "".join(f"{number:03d}-" for number in range(50)) + ".png"
    (tmp_path / name).write_bytes(encode_grey_png([bytes(8)] * 8))
    _, said, _ = darkroom("predict", tmp_path / name, "--model", classifier_folder)
    cells = [line.split("│")[1].strip() for line in said.splitlines() if line.startswith("│")]
    assert "".join(cells) == str(tmp_path / name)


def test_a_line_of_json_a_file(darkroom: Darkroom, tmp_path: Path, classifier_folder: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no")
    files = ["data/raw/circle/0.png", tmp_path / "bad.png"]
    code, said, error = darkroom("predict", *files, "--json", "--top", 3, "--model", classifier_folder)
    assert code == 0
    good, bad = map(json.loads, said.splitlines())
    assert (good["file"], good["class"], good["reason"]) == ("data/raw/circle/0.png", "dark", None)
    assert [one["class"] for one in good["top"]] == ["dark", "light", "odd"]
    assert (bad["class"], bad["probability"], bad["top"]) == (None, None, [])
    assert bad["reason"].startswith("not_an_image: ")
    assert f"model: {classifier_folder}\n" in error


def test_a_file_that_stalls_its_decoder_costs_itself(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_SECONDS", 0.8)
    (tmp_path / "slow.png").write_bytes(stall())
    files = ["data/raw/circle/0.png", tmp_path / "slow.png"]
    code, said, _ = darkroom("predict", *files, "--model", classifier_folder)
    assert code == 0
    assert "longer than 0.8 s" in " ".join(said.replace("│", "").split())
    assert said.endswith("2 files: 1 as dark, 1 could not be read (the reasons are above)\n")


def test_predict_writes_csv(darkroom: Darkroom, project: Paths, classifier_folder: Path) -> None:
    code, said, _ = darkroom(
        "predict", "data/raw/circle", "--csv", "answers.csv", "--model", classifier_folder
    )
    assert (code, said) == (0, f"model: {classifier_folder}\n10 files in answers.csv: 10 as dark\n")
    lines = (project.root / "answers.csv").read_text().splitlines()
    assert lines[0] == "file,reason,answer,class,probability"
    assert lines[1].startswith("data/raw/circle/0.png,,dark,dark,0.99")
    assert len(lines) == 11


def test_predict_fails_when_nothing_could_be_read(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    code, said, error = darkroom("predict", tmp_path / "a.png", "--model", classifier_folder)
    assert code == 1
    assert "not_an_image" in said
    assert error.endswith("error: no file of 1 could be read as an image\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["nowhere.png"], "nowhere.png does not exist; name images", id="no-such-file"),
        pytest.param(["data/raw"], "there is no champion of 'digits'", id="no-champion"),
        pytest.param(
            ["data/raw", "--last"], "data/train/classifier does not exist; `dvc repro`", id="no-run"
        ),
        pytest.param(
            ["data/raw", "--model", "darkroom/7"], "holds no darkroom/7; `darkroom ui`", id="no-version"
        ),
        pytest.param(["data/raw", "--model", "nothing"], "'nothing' names no model; allowed: ", id="a-typo"),
        pytest.param(["data/raw", "--model", "data", "--last"], "name two models; give one", id="two-models"),
        pytest.param(
            ["data/raw", "--csv", "data/overrides.csv"], "holds decisions of people", id="decisions"
        ),
        pytest.param(["data/raw", "--csv", "a", "--json"], "two forms of the answer", id="two-forms"),
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
    assert (code, said) == (1, f"model: {classifier_folder}\n")
    assert error.startswith("error: params.yaml/a.csv cannot be written: ")
    assert error.endswith("; a file lies where a folder should be; move it away\n")
