"""Scores of probabilities: against scikit-learn, and the bootstrap against drawing pictures."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.evidence.metrics import Scores
from pipeline.evidence.probability_scores import list_brier_scores, list_log_losses, score_probabilities

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[Any]


def make_answers(n: int, k: int, seed: int = 0) -> tuple[Ints, Floats]:
    """Classes [n], and probabilities [n, k] that are often right."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), y] += 1.5
    y_prob = np.exp(logits)
    return y, (y_prob / y_prob.sum(axis=1, keepdims=True)).astype(np.float32)


def score(y: Ints, y_prob: Floats, groups: Ints | None = None, **changed: Any) -> Scores:
    how: dict[str, Any] = {"n_resamples": 100, "confidence": 0.95, "seed": 0} | changed
    return score_probabilities(y, y_prob, np.arange(len(y)) if groups is None else groups, **how)


def check_ends(scores: Scores) -> None:
    """Every interval holds its value, and is within what the score can be."""
    for one in (*scores.overall.values(), *(one for of in scores.of_classes.values() for one in of)):
        assert np.isnan(one).all() or 0 <= one.low <= one.value <= one.high


@pytest.mark.parametrize("n_digits", [pytest.param(1, id="many ties"), pytest.param(7, id="hardly any")])
@pytest.mark.parametrize("k", [2, 4])
def test_as_scikit_learn(k: int, n_digits: int) -> None:
    from sklearn import metrics as oracle

    y, y_prob = make_answers(200, k)
    y_prob = np.round(y_prob, n_digits)
    y_prob[:, -1] = 1 - y_prob[:, :-1].sum(axis=1)  # a sum of 1
    y_prob = y_prob.astype(np.float64).clip(0, 1)
    scores = score(y, y_prob)
    for name, theirs in (("roc_auc", oracle.roc_auc_score), ("pr_auc", oracle.average_precision_score)):
        expected = [theirs(y == c, y_prob[:, c]) for c in range(k)]
        assert [one.value for one in scores.of_classes[name]] == pytest.approx(expected)
        assert scores.overall[f"macro_{name}"].value == pytest.approx(np.mean(expected))
    brier = (
        oracle.brier_score_loss(y, y_prob[:, 1]) if k == 2 else ((y_prob - np.eye(k)[y]) ** 2).sum(1).mean()
    )
    assert scores.overall["brier"].value == pytest.approx(brier, rel=1e-5)
    check_ends(scores)


def test_log_losses() -> None:
    from sklearn.metrics import log_loss as oracle

    y, y_prob = make_answers(50, 3)
    assert list_log_losses(y, y_prob).mean() == pytest.approx(oracle(y, y_prob), rel=1e-5)
    sure = np.array([[1.0, 0.0]])
    assert list_log_losses(np.array([1]), sure) == pytest.approx([-np.log(1e-7)])
    assert list_brier_scores(np.array([1]), sure) == pytest.approx([1])
    assert list_brier_scores(np.array([1]), np.array([[1.0, 0.0, 0.0]])) == pytest.approx([2])


@pytest.mark.parametrize("size", [pytest.param(1, id="single"), pytest.param(3, id="in groups")])
def test_resampling_pictures_gives_the_same_spread(size: int) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    y, y_prob = make_answers(240, 2)
    y = y.repeat(size)[:240]
    groups = np.arange(240) // size
    scores = score(y, y_prob, groups, n_resamples=2000)
    rng, drawn = np.random.default_rng(3), []
    for _ in range(1000):
        chosen = rng.integers(0, 240 // size, 240 // size)
        i = (chosen[:, None] * size + np.arange(size)).ravel()
        drawn.append([f(y[i] == 1, y_prob[i, 1]) for f in (roc_auc_score, average_precision_score)])
    for name, spread in zip(("roc_auc", "pr_auc"), np.std(drawn, axis=0), strict=True):
        one = scores.of_classes[name][1]
        assert (one.high - one.low) / (2 * 1.96) == pytest.approx(spread, rel=0.2)


def test_a_class_without_pictures_has_no_scores_and_one_that_has_all_neither() -> None:
    _, y_prob = make_answers(30, 3)
    some, alone = score(np.arange(30) % 2, y_prob), score(np.zeros(30, int), y_prob)
    for scores, is_known in ((some, [True, True, False]), (alone, [False] * 3)):
        for name, of_classes in scores.of_classes.items():
            assert [not np.isnan(one.value) for one in of_classes] == is_known, name
            assert all(np.isnan(one).all() for one in of_classes if np.isnan(one.value))
    mean = np.mean([one.value for one in some.of_classes["roc_auc"][:2]])
    assert some.overall["macro_roc_auc"].value == pytest.approx(mean)
    assert np.isnan(alone.overall["macro_roc_auc"]).all()
    assert not np.isnan(alone.overall["log_loss"]).any()


@pytest.mark.parametrize(
    ("y", "y_prob"),
    [
        pytest.param([0], [[0.75, 0.25]], id="one picture"),
        pytest.param([0, 1], [[1, 0], [0, 1]], id="two, and sure"),
        pytest.param([0, 1, 0, 1], [[1, 0]] * 4, id="always one class, and sure"),
        pytest.param([0, 1, 0, 1], [[0, 1], [1, 0]] * 2, id="all wrong, and sure"),
        pytest.param([0, 1, 2], [[1 / 3] * 3] * 3, id="knows nothing"),
    ],
)
@pytest.mark.parametrize("is_one_group", [False, True])
def test_odd_answers(y: list[int], y_prob: list[list[float]], is_one_group: bool) -> None:
    groups = np.zeros(len(y), int) if is_one_group else np.arange(len(y))
    scores = score(np.array(y), np.array(y_prob, np.float32), groups)
    check_ends(scores)
    assert all(np.isfinite(scores.overall[name]).all() for name in ("log_loss", "brier"))
    assert scores.overall["log_loss"].high > scores.overall["log_loss"].low


def test_a_perfect_order_is_not_sure() -> None:
    """All pictures of a class come before all others: it is as sure as with one pair in disorder."""
    y = np.repeat([0, 1], [40, 200])
    first = np.where(y == 0, 0.9, 0.1)
    found = score(y, np.stack([first, 1 - first], axis=1)).of_classes["roc_auc"][0]
    assert found.value == found.high == 1
    disorder = np.where(y == 0, 0.9, 0.1)
    disorder[0], disorder[40] = 0.5, 0.6
    nearly = score(y, np.stack([disorder, 1 - disorder], axis=1)).of_classes["roc_auc"][0]
    assert nearly.value == 1 - 1 / 8000
    assert found.low == pytest.approx(nearly.low, abs=0.001)
    assert found.low < 0.995
    few = score(y[36:42], np.stack([first, 1 - first], axis=1)[36:42]).of_classes["roc_auc"][0]
    assert few.low == pytest.approx(0.025 ** (1 / 2), abs=0.1), "two of one class hardly say anything"
    twice = score(y.repeat(2), np.stack([first, 1 - first], axis=1).repeat(2, axis=0), np.arange(480) // 2)
    assert twice.of_classes["roc_auc"][0] == pytest.approx(found), "copies prove nothing"


def test_the_same_each_time_whatever_the_order_and_the_names_of_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y, y_prob = make_answers(90, 3)
    groups = np.arange(90) // 2
    scores = score(y, y_prob, groups)
    assert score(y, y_prob, 7 * groups) == scores
    order = np.random.default_rng(0).permutation(90)
    again = score(y[order], y_prob[order], groups[order])
    for name, one in scores.overall.items():
        assert again.overall[name] == pytest.approx(one, abs=1e-9)
    monkeypatch.setattr("pipeline.evidence.probability_scores._DRAWN_CELLS", 500)
    for name, one in score(y, y_prob, groups).overall.items():
        assert one == pytest.approx(scores.overall[name], abs=1e-9)
