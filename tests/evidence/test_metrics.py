"""metrics: scores against scikit-learn, intervals against brute force."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.evidence.intervals import bound_score, bound_share
from pipeline.evidence.metrics import (
    SCORES,
    Scores,
    count_confusions,
    score_answers,
    score_classes,
    score_overall,
)

Ints = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

CASES = [
    pytest.param([0, 1, 2, 2, 1, 0, 0], [0, 2, 2, 2, 1, 0, 1], 3, id="mixed"),
    pytest.param([0, 1, 2], [0, 1, 2], 3, id="all right"),
    pytest.param([0, 0, 1, 1], [1, 1, 0, 0], 2, id="all wrong"),
    pytest.param([0, 0, 1, 2], [0, 0, 0, 0], 3, id="never predicted"),
    pytest.param([0, 0, 1, 1], [0, 2, 1, 1], 3, id="predicted, not there"),
    pytest.param([0, 1], [0, 1], 4, id="neither there nor predicted"),
]


def count_answers(y_true: Ints, y_pred: Ints, k: int) -> tuple[Float64, Float64, Float64]:
    """Right answers, true and predicted ones, each a class [k]."""
    right, true, pred = (np.bincount(y, minlength=k) for y in (y_true[y_true == y_pred], y_true, y_pred))
    return right.astype(np.float64), true.astype(np.float64), pred.astype(np.float64)


def score(y_true: Ints, y_pred: Ints, k: int, groups: Ints | None = None, **changed: Any) -> Scores:
    """The scores of answers, by default with each picture a group of its own."""
    how: dict[str, Any] = {"n_resamples": 500, "confidence": 0.95, "seed": 0} | changed
    return score_answers(y_true, y_pred, np.arange(len(y_true)) if groups is None else groups, k, **how)


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
    counts = count_answers(true, pred, k)
    mine = score_classes(*counts)
    for name, theirs in (("precision", precision), ("f1", f1)):
        assert mine[name][is_known] == pytest.approx(theirs[is_known])
        assert np.isnan(np.delete(mine[name], is_known)).all()
    assert mine["recall"][np.unique(true)] == pytest.approx(recall[np.unique(true)])
    overall = score_overall(*counts)
    assert overall["accuracy"] == pytest.approx(oracle.accuracy_score(true, pred))
    assert overall["balanced_accuracy"] == pytest.approx(recall[np.unique(true)].mean())
    assert overall["macro_f1"] == pytest.approx(oracle.f1_score(true, pred, average="macro"))
    assert overall["macro_precision"] == pytest.approx(precision[is_known].mean())
    for name, compute in SCORES.items():
        assert compute(true, pred, k) == pytest.approx(overall[name])
    scores = score(true, pred, k, n_resamples=100)
    assert {name: one.value for name, one in scores.overall.items()} == {
        name: pytest.approx(float(value)) for name, value in overall.items()
    }
    for name, values in mine.items():
        found = [one.value for one in scores.of_classes[name]]
        assert found == pytest.approx(values.tolist(), nan_ok=True)


def make_answers(n: int, k: int, share_right: float) -> tuple[Ints, Ints]:
    """True and predicted classes [n], about so many of them alike."""
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, k, n)
    return y_true, np.where(rng.random(n) < share_right, y_true, rng.integers(0, k, n))


@pytest.mark.parametrize("group_size", [pytest.param(1, id="single"), pytest.param(3, id="in groups")])
def test_bootstrap_as_resampling_pictures(group_size: int) -> None:
    """Drawing kinds of groups gives the intervals that drawing the groups themselves gives."""
    y_true, y_pred = make_answers(300, 3, 0.8)
    groups = np.random.default_rng(1).permutation(np.arange(300) // group_size)
    scores = score(y_true, y_pred, 3, groups, n_resamples=4000, confidence=0.9, seed=1)
    members = [np.flatnonzero(groups == group) for group in range(300 // group_size)]
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(4000):
        i = np.concatenate([members[j] for j in rng.integers(0, len(members), len(members))])
        drawn.append(score_overall(*count_answers(y_true[i], y_pred[i], 3))["macro_f1"])
    low, high = np.quantile(drawn, [0.05, 0.95])
    assert scores.overall["macro_f1"][1:] == pytest.approx((low, high), abs=0.011)  # a little wider
    assert scores.overall["macro_f1"].high - scores.overall["macro_f1"].low > high - low


def test_single_pictures_are_drawn_as_the_cells_of_the_matrix() -> None:
    """With groups of one, the averages' intervals are those of the same multinomial draws from the cells."""
    y_true, y_pred = make_answers(300, 3, 0.8)
    scores = score(y_true, y_pred, 3, seed=5)
    matrix = count_confusions(y_true, y_pred, 3)
    cells = np.random.default_rng(5).multinomial(300, matrix.ravel() / 300, size=500).reshape(-1, 3, 3)
    right = np.einsum("rkk->rk", cells).astype(np.float64)
    counts = right, cells.sum(axis=2).astype(np.float64), cells.sum(axis=1).astype(np.float64)
    for name, values in score_overall(*counts).items():
        if name != "accuracy":
            part = "recall" if name == "balanced_accuracy" else name.removeprefix("macro_")
            n = (
                matrix.sum(axis=1)
                if part == "recall"
                else matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
            )
            value, *ends = bound_score(
                *(scores.overall[name].value, float(values.var(ddof=1))),
                *(np.array([one.value for one in scores.of_classes[part]]), n),
                n_groups=300,
                confidence=0.95,
            )
            assert scores.overall[name] == pytest.approx((value, *ends), abs=1e-12)


def test_classes_have_exact_intervals() -> None:
    """3 of 4 pictures of class 0 are found; 3 of 5 that are called 0 are; those are 6 pictures in all."""
    y_true, y_pred = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 0, 0, 1])
    scores = score(y_true, y_pred, 3)
    single = np.arange(6)
    share = {
        n: bound_share((np.arange(n) < 3).astype(np.float64), single[:n], confidence=0.95) for n in (4, 5, 6)
    }
    assert scores.of_classes["recall"][0] == share[4]
    assert scores.of_classes["precision"][0] == share[5]
    f1 = scores.of_classes["f1"][0]
    assert f1 == pytest.approx(tuple(2 * end / (1 + end) for end in share[6]))
    assert f1.value == pytest.approx(6 / 9)
    assert np.isnan([scores.of_classes[name][2] for name in scores.of_classes]).all()


def test_all_right_is_not_sure() -> None:
    y = np.array([0] * 98 + [1] * 2)
    scores = score(y, y, 3)
    accuracy = scores.overall["accuracy"]
    assert accuracy == pytest.approx((1, 0.9638, 1), abs=1e-4)
    # The class of two may be answered badly, and counts as half of an average.
    assert {one.value for one in scores.overall.values()} == {1}
    assert scores.overall["macro_f1"] == scores.overall["balanced_accuracy"]
    assert 0.4 < scores.overall["balanced_accuracy"].low < 0.6
    even = score(np.arange(100) % 2, np.arange(100) % 2, 2).overall
    assert even["balanced_accuracy"].low == pytest.approx(even["accuracy"].low, abs=0.005)
    assert [one.low for one in scores.of_classes["recall"][:2]] == pytest.approx([0.963, 0.158], abs=1e-3)
    assert np.isnan(scores.of_classes["recall"][2]).all()


def test_bootstrap_is_repeatable_and_ordered() -> None:
    y_true, y_pred = make_answers(200, 4, 0.7)
    first, again = (score(y_true, y_pred, 4) for _ in range(2))
    assert first == again
    assert score(y_true, y_pred, 4, seed=1).overall != first.overall
    for name, value in score_overall(*count_answers(y_true, y_pred, 4)).items():
        assert first.overall[name].value == pytest.approx(float(value))
        assert first.overall[name].low < value < first.overall[name].high
    wide, narrow = (one.overall["accuracy"] for one in (score(y_true, y_pred, 4, confidence=0.99), first))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_bootstrap_in_several_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounding memory changes how many resamples there are at a time, not how many there are."""
    y_true, y_pred = make_answers(200, 4, 0.7)
    whole = score(y_true, y_pred, 4)
    monkeypatch.setattr("pipeline.evidence.intervals._RESAMPLED_CELLS", 300)
    assert score(y_true, y_pred, 4) == whole


def test_near_duplicates_widen_every_interval() -> None:
    """Each picture there twice: as one group they say what one of them said, as two of two they say more."""
    y_true, y_pred = (np.repeat(y, 2) for y in make_answers(100, 3, 0.7))
    apart, together = score(y_true, y_pred, 3), score(y_true, y_pred, 3, np.arange(200) // 2)
    once = score(y_true[::2], y_pred[::2], 3)
    for name, narrow in apart.overall.items():
        wide = together.overall[name]
        assert wide.value == narrow.value
        assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)
        assert once.overall[name].low >= wide.low - 1e-9


def test_which_pictures_are_a_group_matters_and_not_its_number() -> None:
    y_true, y_pred = make_answers(120, 3, 0.7)
    groups = np.arange(120) // 3
    order = np.random.default_rng(0).permutation(120)
    scores = score(y_true, y_pred, 3, groups)
    assert score(y_true[order], y_pred[order], 3, groups[order]) == scores
    renamed = score(y_true, y_pred, 3, 1000 - 7 * groups)
    for name, one in scores.overall.items():
        assert renamed.overall[name] == pytest.approx(one)
    assert np.array(list(renamed.of_classes.values())) == pytest.approx(
        np.array(list(scores.of_classes.values()))
    )
