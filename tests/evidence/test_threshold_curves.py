"""Curves: as scikit-learn traces them, thinned for a table, with the threshold that is precise enough."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pipeline.evidence.threshold_curves import trace_curves, write_curves

Y = np.array([0, 0, 1, 0, 1, 1, 0, 1])
FIRST = np.array([1.0, 0.9, 0.9, 0.6, 0.5, 0.5, 0.2, 0.0])
Y_PROB = np.stack([FIRST, 1 - FIRST], axis=1)


def test_as_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_curve, roc_curve

    one, _ = trace_curves(Y, Y_PROB, ["a", "b"])
    rate, recall, _ = roc_curve(Y == 0, FIRST, drop_intermediate=False)
    assert one.false_positive_rate == pytest.approx(rate)
    assert one.recall == pytest.approx(recall)
    precision, _, thresholds = precision_recall_curve(Y == 0, FIRST)
    assert one.precision[1:] == pytest.approx(precision[:-1][::-1])
    assert one.threshold[1:] == pytest.approx(thresholds[::-1])
    assert one.threshold[0] > 1


def test_a_class_without_pictures_has_no_curve() -> None:
    y_prob = np.column_stack([Y_PROB, np.zeros(8)])
    assert [one.name for one in trace_curves(Y, y_prob, ["a", "b", "c"])] == ["a", "b"]
    assert trace_curves(np.zeros(8, int), y_prob, ["a", "b", "c"]) == []


def test_the_lowest_threshold_that_is_precise_enough() -> None:
    one, _ = trace_curves(Y, Y_PROB, ["a", "b"])
    at = one.find_precise(0.75, least=1)
    assert at is not None
    assert (one.threshold[at], one.precision[at], one.recall[at]) == (0.6, 0.75, 0.75)
    (never, _) = trace_curves(Y, 1 - Y_PROB, ["a", "b"])
    assert never.find_precise(0.95, least=1) is None
    assert one.find_precise(0.75, least=5) is None, "only four are called so there"


@pytest.mark.parametrize(("k", "names"), [(2, {"class 0"}), (3, {"class 0", "class 1", "class 2"})])
def test_a_table_for_dvc(k: int, names: set[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, y_prob = rng.integers(0, k, 5000), rng.random((5000, k))
    write_curves(trace_curves(y, y_prob, [f"class {i}" for i in range(k)]), tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == names
    first = [row for row in rows if row["class"] == "class 0"]
    assert 100 < len(first) <= 200
    assert (float(first[0]["recall"]), float(first[-1]["recall"])) == (0, 1)
    assert (float(first[0]["false_positive_rate"]), float(first[-1]["false_positive_rate"])) == (0, 1)
