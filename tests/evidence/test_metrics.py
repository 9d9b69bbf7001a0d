"""metrics: scores against scikit-learn, intervals against brute force, names that MLflow takes."""

import re

import numpy as np
import pytest

from pipeline.evidence.metrics import (
    SCORES,
    bootstrap,
    count_confusions,
    counts_of,
    log_loss,
    score_classes,
    score_overall,
)
from pipeline.labels import metric_name

CASES = [
    pytest.param([0, 1, 2, 2, 1, 0, 0], [0, 2, 2, 2, 1, 0, 1], 3, id="mixed"),
    pytest.param([0, 1, 2], [0, 1, 2], 3, id="all right"),
    pytest.param([0, 0, 1, 1], [1, 1, 0, 0], 2, id="all wrong"),
    pytest.param([0, 0, 1, 2], [0, 0, 0, 0], 3, id="never predicted"),
    pytest.param([0, 0, 1, 1], [0, 2, 1, 1], 3, id="predicted, not there"),
    pytest.param([0, 1], [0, 1], 4, id="neither there nor predicted"),
]


@pytest.mark.parametrize(("y_true", "y_pred", "k"), CASES)
def test_as_scikit_learn(y_true: list[int], y_pred: list[int], k: int) -> None:
    from sklearn import metrics as oracle

    true, pred = np.array(y_true), np.array(y_pred)
    matrix = count_confusions(true, pred, k)
    assert np.array_equal(matrix, oracle.confusion_matrix(true, pred, labels=range(k)))
    is_known = np.union1d(true, pred)
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(
        true, pred, labels=range(k), zero_division=0
    )
    mine = score_classes(*counts_of(matrix))
    for name, theirs in (("precision", precision), ("f1", f1)):
        assert mine[name][is_known] == pytest.approx(theirs[is_known])
        assert np.isnan(np.delete(mine[name], is_known)).all()
    assert mine["recall"][np.unique(true)] == pytest.approx(recall[np.unique(true)])
    overall = score_overall(*counts_of(matrix))
    assert overall["accuracy"] == pytest.approx(oracle.accuracy_score(true, pred))
    assert overall["balanced_accuracy"] == pytest.approx(recall[np.unique(true)].mean())
    assert overall["macro_f1"] == pytest.approx(oracle.f1_score(true, pred, average="macro"))
    assert overall["macro_precision"] == pytest.approx(precision[is_known].mean())
    for name, score in SCORES.items():
        assert score(true, pred, k) == pytest.approx(overall[name])


def answers(n: int, k: int, share_right: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, k, n)
    return y_true, np.where(rng.random(n) < share_right, y_true, rng.integers(0, k, n))


def test_bootstrap_as_resampling_pictures() -> None:
    """Resampling the cells of the matrix gives the intervals that resampling pictures gives."""
    y_true, y_pred = answers(300, 3, 0.8)
    overall, a_class = bootstrap(
        count_confusions(y_true, y_pred, 3), n_resamples=4000, confidence=0.9, seed=1
    )
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(4000):
        i = rng.integers(0, 300, 300)
        matrix = counts_of(count_confusions(y_true[i], y_pred[i], 3))
        drawn.append((score_overall(*matrix)["macro_f1"], *score_classes(*matrix)["recall"]))
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    assert overall["macro_f1"] == pytest.approx((low[0], high[0]), abs=0.006)
    assert a_class["recall"][0] == pytest.approx(low[1:], abs=0.015)
    assert a_class["recall"][1] == pytest.approx(high[1:], abs=0.015)


def test_bootstrap_is_repeatable_and_ordered() -> None:
    y_true, y_pred = answers(200, 4, 0.7)
    matrix = count_confusions(y_true, y_pred, 4)
    first, first_class = bootstrap(matrix, n_resamples=500, confidence=0.95, seed=0)
    again, again_class = bootstrap(matrix, n_resamples=500, confidence=0.95, seed=0)
    assert first == again
    assert all(np.array_equal(first_class[name], again_class[name]) for name in first_class)
    assert bootstrap(matrix, n_resamples=500, confidence=0.95, seed=1)[0] != first
    for name, value in score_overall(*counts_of(matrix)).items():
        assert first[name][0] < value < first[name][1]
    wide = bootstrap(matrix, n_resamples=500, confidence=0.99, seed=0)[0]["accuracy"]
    assert wide[0] < first["accuracy"][0] < first["accuracy"][1] < wide[1]


def test_bootstrap_in_several_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounding memory changes how many resamples there are at a time, not how many there are."""
    y_true, y_pred = answers(200, 4, 0.7)
    matrix = count_confusions(y_true, y_pred, 4)
    whole = bootstrap(matrix, n_resamples=500, confidence=0.95, seed=0)[0]
    monkeypatch.setattr("pipeline.evidence.metrics._RESAMPLED_CELLS", 300)
    assert bootstrap(matrix, n_resamples=500, confidence=0.95, seed=0)[0] == whole


def test_bootstrap_of_a_rare_class() -> None:
    """A class of two pictures is missing from many resamples: they do not count as recall 0."""
    matrix = np.array([[98, 0, 0], [0, 2, 0], [0, 0, 0]])
    overall, a_class = bootstrap(matrix, n_resamples=500, confidence=0.95, seed=0)
    assert a_class["recall"][0][:2].tolist() == [1, 1]
    assert np.isnan(a_class["recall"][0][2])
    assert overall["balanced_accuracy"] == (1, 1)


def test_log_loss() -> None:
    from sklearn.metrics import log_loss as oracle

    y_prob = np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]], np.float32)
    assert log_loss(np.array([0, 1, 1]), y_prob) == pytest.approx(oracle([0, 1, 1], y_prob), rel=1e-5)
    assert log_loss(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(("class", "Photo", "recall"), "class/Photo/recall", id="plain"),
        pytest.param(("Oak tree 2.1_b-c",), "Oak tree 2.1_b-c", id="all that is allowed"),
        pytest.param(("a/b",), r"a_b-[0-9a-f]{8}", id="a slash"),
        pytest.param(("Schéma (x)",), r"Sch_ma _x_-[0-9a-f]{8}", id="other characters"),
        pytest.param(("..",), r"-[0-9a-f]{8}", id="a path"),
        pytest.param(("",), r"-[0-9a-f]{8}", id="nothing"),
        pytest.param(("x" * 300,), "x{100}-[0-9a-f]{8}", id="too long"),
    ],
)
def test_metric_name(parts: tuple[str, ...], expected: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    name = metric_name(*parts)
    assert re.fullmatch(expected, name)
    _validate_metric_name(name)  # type: ignore[no-untyped-call]


def test_metric_names_stay_different() -> None:
    names = ["a/b", "a_b", "a b", "a:b", "ä", "ö", "", ".", "..", "x" * 300, "x" * 301]
    assert len({metric_name(name) for name in names}) == len(names)
