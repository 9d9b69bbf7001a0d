"""Reports: every file has a line, and no spreadsheet runs what a file is called."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.errors import ParamsError
from pipeline.refusals import Refusal
from pipeline.serving.answer_rule import NEVER, AnswerRule
from pipeline.serving.predictions import Prediction
from pipeline.serving.reports import (
    Tally,
    check_format,
    describe_counts,
    describe_review,
    make_row,
    write_rows,
)


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        pytest.param([], "file,reason,answer,class,probability,class_2,probability_2\n", id="none"),
        pytest.param(
            [
                Prediction("a, b.png", (("x", 0.75), ("y", 0.25)), "review"),
                Prediction("c", refusal=Refusal("corrupt", "?")),
            ],
            "file,reason,answer,class,probability,class_2,probability_2\n"
            '"a, b.png",,review,x,0.750000,y,0.250000\n'
            "c,corrupt: ?,,,,,\n",
            id="two-classes-and-a-reason",
        ),
        pytest.param(
            [
                Prediction("=HYPERLINK(0)", (("@x", 0.5), ("-y\x1b", 0.5)), "@x"),
                Prediction("-1", (("+", 1e-7),), "+"),
            ],
            "file,reason,answer,class,probability,class_2,probability_2\n"
            "'=HYPERLINK(0),,'@x,'@x,0.500000,'-y\\x1b,0.500000\n"
            "'-1,,'+,'+,0.000000,,\n",
            id="what-a-spreadsheet-would-run",
        ),
    ],
)
def test_a_csv_has_a_line_a_file(predictions: list[Prediction], expected: str, tmp_path: Path) -> None:
    write_rows(map(make_row, predictions), tmp_path / "p.csv", top=2)
    assert (tmp_path / "p.csv").read_text() == expected


UNREAD = Prediction("c", refusal=Refusal("corrupt", "?"))


ROWS = [make_row(Prediction("a\nb", (("x", 2 / 3), ("y", 1 / 3)), "review")), make_row(UNREAD)]


def test_a_row_says_all_of_a_file() -> None:
    top = [{"class": "x", "probability": 0.666667}, {"class": "y", "probability": 0.333333}]
    said = {"file": "a\nb", "answer": "review", "class": "x", "probability": 0.666667}
    assert ROWS[0] == said | {"top": top, "reason": None}
    nothing: dict[str, object] = {"answer": None, "class": None, "probability": None, "top": []}
    assert ROWS[1] == {"file": "c", "reason": "corrupt: ?"} | nothing
    assert ROWS[0].keys() == ROWS[1].keys()


def test_lines_of_json_hold_the_rows(tmp_path: Path) -> None:
    write_rows(ROWS, tmp_path / "a.jsonl", top=2)
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == ROWS


def test_parquet_has_a_column_for_each_class_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.serving.reports._BATCH_ROWS", 1)  # several batches make one table
    rows = [row | {"placed": "d/a"} for row in ROWS]
    write_rows(rows, tmp_path / "a.parquet", top=2, more=("placed",))
    found = pq.read_table(tmp_path / "a.parquet").to_pylist()
    said = {"file": "a\nb", "reason": None, "answer": "review", "placed": "d/a", "class": "x"}
    assert found[0] == said | {"probability": 0.666667, "class_2": "y", "probability_2": 0.333333}
    assert list(found[0]) == ["file", "reason", "answer", "placed", *list(said)[4:], *list(found[0])[5:]]
    assert (found[1]["class"], found[1]["probability_2"], found[1]["reason"]) == (None, None, "corrupt: ?")


@pytest.mark.parametrize("name", ["answers", "a.xlsx", "a.csv.gz"])
def test_a_file_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(ParamsError, match=r"allowed are \.csv, \.parquet, \.jsonl, got"):
        check_format(Path(name))


def tally(rows: list[dict[str, Any]]) -> Tally:
    counted = Tally()
    for row in rows:
        counted.add(row)
    return counted


@pytest.mark.parametrize(
    ("names", "n_unread", "said"),
    [
        pytest.param(["x"], 0, "1 file: 1 as x", id="one"),
        pytest.param(["y", "x", "x"], 0, "3 files: 2 as x, 1 as y", id="commonest-first"),
        pytest.param(["3"], 1, "2 files: 1 as 3, 1 could not be read (the reasons are above)", id="unread"),
        pytest.param([], 2, "2 files: 2 could not be read (the reasons are above)", id="none-read"),
        pytest.param(["a\x1b"], 0, "1 file: 1 as a\\x1b", id="a-name-that-a-terminal-obeys"),
        pytest.param(
            [f"c{i:02d}" for i in range(21)],
            0,
            f"21 files: {', '.join(f'1 as c{i:02d}' for i in range(20))}, 1 as 1 other class",
            id="one-more-class",
        ),
        pytest.param(
            [f"c{i:02d}" for i in range(22)],
            0,
            f"22 files: {', '.join(f'1 as c{i:02d}' for i in range(20))}, 2 as 2 other classes",
            id="many-classes",
        ),
    ],
)
def test_the_counts_in_words(names: list[str], n_unread: int, said: str) -> None:
    rows = [make_row(Prediction("f", ((name, 1.0),), name)) for name in names]
    assert describe_counts(tally(rows + [make_row(UNREAD)] * n_unread)) == said


@pytest.mark.parametrize(
    ("n_review", "limit", "said"),
    [
        (7, 0.921356, "7 of 60 in review: their probability is below 0.921356"),
        (0, 0.9, "0 of 60 in review: no probability is below 0.9"),
        (60, NEVER, "60 of 60 in review: this model is never sure enough to answer without a person"),
        (0, 0.0, ""),
    ],
)
def test_the_limit_of_review_is_told(n_review: int, limit: float, said: str) -> None:
    """A probability of 0.9213 is below it, and one of 0.9214 is not."""
    answers = ["review"] * n_review + ["x"] * (60 - n_review)
    counted = tally([make_row(Prediction("f", (("x", 0.5),), answer)) for answer in answers])
    assert describe_review(counted, AnswerRule(min_probability=limit), "review") == said


def test_the_first_unread_files_are_kept_with_their_reasons() -> None:
    counted = tally([make_row(UNREAD)] * 30)
    assert (len(counted), counted.n_unread, len(counted.unread)) == (30, 30, 20)
    assert counted.unread[0] == ("c", "corrupt: ?")


def test_the_counts_say_where_the_reasons_are() -> None:
    said = describe_counts(tally([make_row(UNREAD)]), Path("a.csv"))
    assert said == "1 file in a.csv: 1 could not be read (the reasons are in a.csv)"
