"""Reports: every file has a line, and no spreadsheet runs what a file is called."""

import json
from pathlib import Path

import pytest

from pipeline.refusals import Refusal
from pipeline.serving.predictions import Prediction
from pipeline.serving.reports import describe_as_json, describe_counts, write_csv


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        pytest.param([], "file,reason,answer,class,probability\n", id="none"),
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
    write_csv(predictions, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == expected


UNREAD = Prediction("c", refusal=Refusal("corrupt", "?"))


def test_a_line_of_json_says_all_of_a_file() -> None:
    found = [
        json.loads(describe_as_json(one))
        for one in (Prediction("a\nb", (("x", 2 / 3), ("y", 1 / 3)), "review"), UNREAD)
    ]
    top = [{"class": "x", "probability": 0.666667}, {"class": "y", "probability": 0.333333}]
    said = {"file": "a\nb", "answer": "review", "class": "x", "probability": 0.666667}
    assert found[0] == said | {"top": top, "reason": None}
    nothing: dict[str, object] = {"answer": None, "class": None, "probability": None, "top": []}
    assert found[1] == {"file": "c", "reason": "corrupt: ?"} | nothing
    assert found[0].keys() == found[1].keys()


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
    assert (
        describe_counts([Prediction("f", ((name, 1.0),), name) for name in names] + [UNREAD] * n_unread)
        == said
    )


def test_the_counts_say_where_the_reasons_are() -> None:
    said = describe_counts([UNREAD], Path("a.csv"))
    assert said == "1 file in a.csv: 1 could not be read (the reasons are in a.csv)"
