"""Comparison: which rows are meant, in which order, and what is said of each beside the best."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import TrackingError
from pipeline.search.comparison import (
    Comparison,
    choose_rows,
    compare_rows,
    describe_difference,
    describe_p,
    describe_tests,
    find_row,
    sort_entries,
)
from tests.search.rows import make_run, write_answers

CHAMPION = {"champion": "champion", "verdict": "PROMOTE"}
ROWS = [  # the newest first
    make_run("epochs 3", "dddd1111", accuracy=0.7),
    make_run("twice", "cccc2222", accuracy=0.8),
    make_run("twice", "cccc3333", accuracy=0.6),
    make_run("first", "aaaa4444", tags=CHAMPION, accuracy=0.9),
]


def list_names(rows: list[Any]) -> list[str]:
    return [row.info.run_id[:4] + row.info.run_id[-1] for row in rows]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param([], ["dddd1", "cccc2", "cccc3", "aaaa4"], id="all"),
        pytest.param(["champion", "last"], ["aaaa4", "dddd1"], id="by their part"),
        pytest.param(["cccc3", "dddd"], ["cccc3", "dddd1"], id="by the first digits of an id"),
        pytest.param(["first"], ["aaaa4", "dddd1"], id="one, and the last"),
        pytest.param(["last"], ["dddd1", "aaaa4"], id="the last, and the champion"),
        pytest.param(["first", "aaaa", "champion"], ["aaaa4"], id="one said three times"),
    ],
)
def test_rows_that_are_meant(said: list[str], found: list[str]) -> None:
    assert list_names(choose_rows(ROWS, said)) == found


@pytest.mark.parametrize(
    ("said", "error"),
    [
        pytest.param(
            "epochs 4",
            r"no row 'epochs 4' \(did you mean epochs 3\?\); the newest are 'epochs 3'",
            id="unknown",
        ),
        pytest.param("ddd", "there is no row 'ddd'", id="too few digits"),
        pytest.param("cccc", "2 rows are meant by 'cccc'; say which by the first digits", id="digits of two"),
        pytest.param("twice", r"cccc2222 \(twice, .*accuracy 0.800\), cccc3333 \(twice", id="a name of two"),
    ],
)
def test_rows_that_are_not_clear_are_one_line(said: str, error: str) -> None:
    with pytest.raises(TrackingError, match=error) as raised:
        find_row(ROWS, said)
    assert "\n" not in str(raised.value)


def test_two_champions_are_not_one() -> None:
    others = [*ROWS, make_run("other", "eeee5555", tags=CHAMPION)]
    with pytest.raises(TrackingError, match="2 rows are meant by 'champion'"):
        find_row(others, "champion")
    with pytest.raises(TrackingError, match="no row 'champion'"):
        find_row(ROWS[:3], "champion")


def test_before_the_first_result() -> None:
    with pytest.raises(TrackingError, match="no result yet"):
        choose_rows([], ["last"])


class Project:
    """Rows of 100 test images; `right` says how many each got right, None that its answers are gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, tuple[Path, Path] | None] = {}
        self.rows: list[Any] = []
        self.read: list[str] = []

    def add(self, name: str, right: int | None, *, accuracy: float | None = None, **asked: Any) -> None:
        id_ = f"{len(self.rows):04d}{name}"
        score = (right or 0) / 100 if accuracy is None else accuracy
        run = make_run(
            name,
            id_,
            params={"train.epochs": str(len(self.rows)), "train.model": "conv1"},
            accuracy=score,
            accuracy_low=score - 0.1,
            accuracy_high=score + 0.05,
            log_loss=1 - score,
        )
        self.rows.append(run)
        self.files[id_] = None if right is None else write_answers(self.folder / id_, right, **asked)

    def compare(self, **said: Any) -> Comparison:
        def fetch(row: Any) -> tuple[Path, Path] | None:
            self.read.append(row.info.run_name)
            return self.files[row.info.run_id]

        asked: dict[str, Any] = {"sort": "accuracy", "metric": "accuracy", "n_tested": 99, "min_common": 30}
        asked |= said
        return compare_rows(self.rows, fetch=fetch, **asked)


@pytest.fixture
def made(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_rows_are_sorted_and_tested_against_the_best(made: Project) -> None:
    for name, right in (("worse", 70), ("best", 95), ("near", 94)):
        made.add(name, right)
    found = made.compare()
    assert [entry.name for entry in found.entries] == ["best", "near", "worse"]
    assert found.best.name == "best"
    best, near, worse = found.entries
    assert (best.difference, best.note) == (None, "")
    assert math.isnan(best.p)
    assert near.difference
    assert near.difference.interval.value == pytest.approx(-0.01)
    assert (near.p, worse.p < 0.001) == (1.0, True)
    assert worse.p == pytest.approx(2 * (worse.difference.p if worse.difference else 0)), "Holm, of two"
    assert found.n_tests == 2
    assert found.differing == ["train.epochs"]
    assert "curve/loss" not in best.metrics
    assert describe_tests(found).startswith(
        "p: accuracy against 'best' on the same test images, McNemar's exact test, by Holm for 2 comparisons"
    )
    assert describe_difference(near).endswith("p 1.0")


@pytest.mark.parametrize(
    ("right", "asked", "note", "is_tested"),
    [
        pytest.param(None, {"accuracy": 0.5}, "no test answers in MLflow", False, id="gone"),
        pytest.param(40, {"names": ["cat", "cow"]}, "other classes", False, id="other classes"),
        pytest.param(40, {"first": 90}, "other test images: 10 common", False, id="few in common"),
        pytest.param(40, {"first": 500}, "other test images: 0 common", False, id="none in common"),
        pytest.param(40, {"first": 20}, "other test images: 80 common", True, id="enough in common"),
        pytest.param(40, {"n": 50}, "other test images: 50 common", True, id="a part of the same"),
    ],
)
def test_rows_that_cannot_be_tested_say_why(
    right: int | None, asked: dict[str, Any], note: str, is_tested: bool, made: Project
) -> None:
    made.add("best", 95)
    made.add("other", right, **asked)
    other = made.compare().entries[1]
    assert other.note == note
    assert (other.difference is not None) == is_tested == (not math.isnan(other.p))
    assert note in describe_difference(other)


def test_answers_that_are_damaged_or_those_of_the_best_that_are_gone(made: Project) -> None:
    made.add("best", 95)
    made.add("other", 40)
    files = made.files[made.rows[1].info.run_id]
    assert files
    files[0].write_bytes(b"no table")
    assert made.compare().entries[1].note == "damaged test answers in MLflow"
    made.files[made.rows[0].info.run_id] = None
    assert made.compare().entries[1].note == "the best has no test answers in MLflow"
    assert describe_tests(made.compare()) == ""


def test_only_what_is_shown_is_read(made: Project) -> None:
    for number in range(6):
        made.add(f"row {number}", 60 + number)
    found = made.compare(n_tested=2)
    assert sorted(made.read) == ["row 4", "row 5"]
    assert [math.isnan(entry.p) for entry in found.entries] == [True, False, True, True, True, True]


def test_sorted_by_what_is_no_score_the_best_is_still_that_of_the_score(made: Project) -> None:
    made.add("best", 95)
    made.add("other", 80)
    found = made.compare(sort="log_loss")
    assert [entry.name for entry in found.entries] == ["best", "other"], "the lower loss first"
    assert (found.sort, found.metric, found.best.name) == ("log_loss", "accuracy", "best")
    assert made.compare(sort="accuracy", metric="macro_f1").metric == "accuracy"
    by_f1 = made.compare(sort="accuracy_low", metric="macro_f1")
    assert (by_f1.metric, by_f1.best.name) == ("macro_f1", "best")
    assert "a permutation test" in describe_tests(by_f1)


def test_a_row_without_the_metric_is_last_and_a_metric_of_nobody_is_an_error(made: Project) -> None:
    made.add("low", 10)
    entry = made.compare().entries[0]
    bare, good = replace(entry, name="bare", metrics={}), replace(entry, metrics={"accuracy": 0.9})
    assert [one.name for one in sort_entries([bare, good], "accuracy")] == ["low", "bare"]
    doubtful = replace(good, name="doubtful", metrics={"accuracy": 0.9, "log_loss": 0.9})
    surer = replace(good, name="surer", metrics={"accuracy": 0.9, "log_loss": 0.1})
    assert [one.name for one in sort_entries([doubtful, surer], "accuracy")] == ["surer", "doubtful"]
    with pytest.raises(TrackingError, match=r"no row has the metric 'acuracy' \(did you mean accuracy"):
        sort_entries([entry], "acuracy")


def test_the_fit_has_a_word_and_a_gap(made: Project) -> None:
    made.add("low", 10)
    entry = made.compare().entries[0]
    assert entry.fit == ""
    fits = {
        (0.99, 0.8): "overfits (19)",
        (0.6, 0.59): "underfits (1)",
        (0.9, 0.95): "healthy (-5)",
    }
    for (learnt, validated), said in fits.items():
        metrics = {"train_accuracy": learnt, "val_accuracy": validated}
        assert replace(entry, metrics=metrics).fit == said


def test_rows_of_one_name_are_told_apart(made: Project) -> None:
    made.add("same", 90)
    made.add("same", 80)
    made.add("own", 70)
    found = made.compare()
    assert [found.name(entry) for entry in found.entries] == ["same [0000same]", "same [0001same]", "own"]


@pytest.mark.parametrize(
    ("p", "said"), [(0.0001, "p < 0.001"), (0.0123, "p 0.012"), (0.04, "p 0.04"), (0.26, "p 0.3")]
)
def test_p_in_words(p: float, said: str) -> None:
    assert describe_p(p) == said
