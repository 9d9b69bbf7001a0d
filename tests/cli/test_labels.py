"""`darkroom labels`: what it lists and writes down, and what it refuses in one line."""

import csv
import json
from collections.abc import Callable

import pytest

from pipeline.collection.confirmed_labels import read_confirmed
from pipeline.collection.overrides import read_overrides
from pipeline.params import Params
from pipeline.paths import Paths
from tests.suspects import PLANTED, plant_suspects

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr
LINE, CIRCLE, SQUARE = PLANTED


@pytest.fixture
def evaluated(project: Paths, params_of: Callable[..., Params], monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    plant_suspects(project, params_of)
    return project


def test_the_likeliest_comes_first(darkroom: Darkroom, evaluated: Paths) -> None:
    code, said, error = darkroom("labels", "list")
    assert (code, error) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in said.splitlines() if ".png" in line]
    assert rows[0] == [LINE, "line (10%)", "circle (90%)"]
    assert [row[0] for row in rows] == list(PLANTED)
    assert "3 of 30 labels may be wrong\n" in said
    assert "`darkroom labels accept KEY...`" in said
    assert "3 of 30 labels may be wrong; the first 2 are shown" in darkroom("labels", "list", "-n", 2)[1]


def test_what_is_decided_is_counted_and_not_listed(darkroom: Darkroom, evaluated: Paths) -> None:
    assert darkroom("labels", "accept", LINE)[1].startswith(f"{LINE}: kept as circle\n")
    assert darkroom("labels", "reject", SQUARE, "--note", "a square")[1].startswith(f"{SQUARE}: square is")
    _, said, _ = darkroom("labels", "list", "--csv", "open.csv")
    assert (
        said
        == "1 of 30 labels may be wrong, and 2 more are decided since the last run; all are in open.csv\n"
    )
    with (evaluated.root / "open.csv").open(newline="") as file:
        assert [row["key"] for row in csv.DictReader(file)] == [CIRCLE]
    assert [one.key for one in read_overrides(evaluated.overrides)] == [LINE]
    assert [one.note for one in read_confirmed(evaluated.confirmed_labels)] == ["a square"]
    darkroom("labels", "reject", CIRCLE)
    assert (
        darkroom("labels", "list")[1]
        == "0 of 30 labels may be wrong, and 3 more are decided since the last run\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["accept", "line/2.png"], "line/2.png is not among the labels that may be wrong", id="other"
        ),
        pytest.param(
            ["reject", "line/bat.png"], "line/bat.png is not a file of the source", id="no such file"
        ),
        pytest.param(["reject", "ffff"], "ffff is not a file of the source", id="no such id"),
        pytest.param(["list", "--csv", "data/raw/line/1.png/a.csv"], "cannot be written: ", id="no place"),
        pytest.param(["list", "--csv", "data/overrides.csv"], "holds decisions", id="decisions"),
        pytest.param(
            ["list", "--csv", "data/confirmed_labels.csv"], "holds decisions", id="confirmed labels"
        ),
        pytest.param(["list", "--csv", "data/labels/queue.csv"], "holds decisions", id="a queue"),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str, darkroom: Darkroom, evaluated: Paths) -> None:
    evaluated.label_queue.write_text("path,label\na.png,line\n")
    before = evaluated.overrides.read_bytes(), evaluated.confirmed_labels.read_bytes()
    code, said, error = darkroom("labels", *words)
    assert (code, said) == (1, "")
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert (evaluated.overrides.read_bytes(), evaluated.confirmed_labels.read_bytes()) == before
    assert evaluated.label_queue.read_text() == "path,label\na.png,line\n"


@pytest.mark.parametrize("words", [["list"], ["accept", LINE], ["reject", LINE]])
def test_before_a_run(words: list[str], darkroom: Darkroom, project: Paths) -> None:
    code, _, error = darkroom("labels", *words)
    assert code == 1
    assert error.endswith("suspect_labels.csv does not exist; run `dvc repro` to make it\n")


def test_a_run_that_looked_at_no_label(darkroom: Darkroom, evaluated: Paths) -> None:
    evaluated.details("evaluate").write_text(json.dumps({}))
    code, _, error = darkroom("labels", "list")
    assert code == 1
    assert "evaluate.label_audit was false; set it to true" in error
