"""`darkroom quarantine`: what it lists, draws and writes down, and what it refuses."""

import errno
import os
from collections.abc import Callable

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.collection.overrides import read_overrides
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import open_source
from pipeline.stages import validate
from pipeline.tables.parquet import write_table

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


@pytest.fixture
def looked_at(project: Paths, params_of: Callable[..., Params], monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The project with a file that is no image and one with an odd name, as validate sees it."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    (project.raw / "line" / "bad.png").write_bytes(b"no image")
    (project.raw / "line" / "[red] -1.png").write_bytes(encode_grey_png([b"\0\1"] * 2))
    limits = {"max_pixels": 10**6, "min_side_px": 4, "min_local_contrast": 0, "max_seconds_per_file": 5.0}
    params = params_of(data={"ignore": [".*"], "class_names": []}, validate={"formats": ["PNG"], **limits})
    source = open_source(project.raw, params.data)
    manifest = validate.build_manifest(source, params)
    write_table(manifest, project.raw_manifest)
    write_table(validate.count_classes(manifest, source.labels), project.raw_classes)
    return project


def test_quarantine_list_names_every_file_and_counts(darkroom: Darkroom, looked_at: Paths) -> None:
    code, said, _ = darkroom("quarantine", "list")
    assert code == 0
    assert "line/[red] -1.png" in said
    assert said.endswith("2 files: too_small 1, not_an_image 1\n")
    assert darkroom("quarantine", "list", "--label", "circle")[1] == "no quarantined file\n"


def test_quarantine_list_writes_csv(darkroom: Darkroom, looked_at: Paths) -> None:
    code, said, _ = darkroom("quarantine", "list", "--reason", "too_small", "--csv", "away.csv")
    assert (code, said) == (0, "1 file: too_small 1, in away.csv\n")
    lines = (looked_at.root / "away.csv").read_text().splitlines()
    assert lines[0] == "key,label,reason,detail,id"
    assert lines[1].startswith("line/[red] -1.png,line,too_small,")


def test_quarantine_decides_from_any_folder_below(
    darkroom: Darkroom, looked_at: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(looked_at.raw / "line")
    code, said, _ = darkroom("quarantine", "restore", "[red] -1.png", "--note", "tiny, fine")
    assert (code, said.splitlines()[0]) == (0, "line/[red] -1.png: kept as line")
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
        pytest.param(["list", "--csv", "data/overrides.csv"], "holds decisions of people", id="its own file"),
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
    assert read_overrides(looked_at.overrides) == []


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["list", "--csv", "data/raw/circle/0.png/away.csv"], id="csv"),
        pytest.param(["show", "circle/0.png", "--png", "data/raw/circle/0.png/shown.png"], id="png"),
    ],
)
def test_what_cannot_be_written_is_one_line(words: list[str], darkroom: Darkroom, looked_at: Paths) -> None:
    code, _, error = darkroom("quarantine", *words)
    assert code == 1
    assert error.startswith(f"error: {words[-1]} cannot be written: ")
    assert error.endswith("a file lies where a folder should be; move it away\n")
    assert error.count("\n") == 1


def test_a_decision_that_cannot_be_written_is_one_line_and_the_others_stay(
    darkroom: Darkroom, looked_at: Paths
) -> None:
    darkroom("quarantine", "drop", "circle/1.png")
    before = looked_at.overrides.read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", fail)
        code, _, error = darkroom("quarantine", "drop", "circle/2.png")
    assert code == 1
    assert "overrides.csv cannot be written: No space left on device; free space" in error
    assert looked_at.overrides.read_text() == before


def fail(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
