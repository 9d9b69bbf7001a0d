"""Two models on the same images: against scipy, by simulation, and by hand."""

import numpy as np
import pytest
from scipy import stats

from pipeline.evidence.exams import Exam
from pipeline.evidence.metrics import SCORES
from pipeline.evidence.paired import compare_answers

NAMES = ("a", "b", "c")


def make_exam(y_true: object, y_pred: object, *, first: int = 0, names: tuple[str, ...] = NAMES) -> Exam:
    true, pred = np.array(y_true), np.array(y_pred)
    ids = np.array([f"{number + first:06d}" for number in range(len(true))])
    return Exam(ids, true, pred, names)


def make_pair(n: int, *, skills: tuple[float, float], seed: int) -> tuple[Exam, Exam]:
    """Two models that are right with these probabilities, by a difficulty that both feel."""
    rng = np.random.default_rng(seed)
    y, hard = rng.integers(0, 3, n), rng.random(n)
    made = []
    for skill in skills:
        is_right = 0.5 * hard + 0.5 * rng.random(n) < 1 - np.sqrt((1 - skill) / 2)
        made.append(make_exam(y, np.where(is_right, y, (y + rng.integers(1, 3, n)) % 3)))
    return made[0], made[1]


@pytest.mark.parametrize(("won", "lost"), [(5, 12), (0, 3), (7, 7), (0, 0), (40, 10)])
def test_accuracy_has_the_exact_test_of_mcnemar(won: int, lost: int) -> None:
    y = np.zeros(100, int)
    first, second = y.copy(), y.copy()
    first[:lost], second[lost : lost + won] = 1, 1
    found = compare_answers(make_exam(y, first), make_exam(y, second), "accuracy", confidence=0.95)
    assert found
    expected = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert found.p == pytest.approx(expected)
    value, low, high = found.interval
    assert value == pytest.approx((won - lost) / 100)
    assert low < value < high
    assert (found.n, found.is_whole) == (100, True)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_where_two_are_alike_a_small_p_is_rare_and_the_interval_holds_zero(metric: str) -> None:
    tries = [make_pair(120, skills=(0.8, 0.8), seed=seed) for seed in range(150)]
    found = [compare_answers(one, other, metric, confidence=0.9) for one, other in tries]
    assert np.mean([one.p < 0.1 for one in found if one]) < 0.16
    assert np.mean([one.interval.low <= 0 <= one.interval.high for one in found if one]) > 0.84


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_a_large_difference_is_seen_and_has_a_sign(metric: str) -> None:
    better, worse = make_pair(300, skills=(0.95, 0.7), seed=1)
    found = compare_answers(worse, better, metric, confidence=0.95)
    assert found
    score = SCORES[metric]
    expected = score(worse.y_true, worse.y_pred, 3) - score(better.y_true, better.y_pred, 3)
    assert found.interval.value == pytest.approx(expected)
    assert found.interval.high < 0
    assert found.p < 0.001


def test_only_images_in_common_with_the_same_label_count() -> None:
    y = np.arange(60) % 3
    one, other = make_exam(y, y), make_exam(np.roll(y, -10), np.roll(y, -10), first=10)
    found = compare_answers(one, other, "accuracy", confidence=0.95)
    assert found
    assert (found.n, found.is_whole, found.p) == (50, False, 1.0)
    corrected = make_exam(np.where(np.arange(60) == 7, (y + 1) % 3, y), y)
    found = compare_answers(one, corrected, "accuracy", confidence=0.95)
    assert found
    assert (found.n, found.is_whole) == (59, False)


def test_no_image_in_common_is_no_difference_and_other_classes_are_none() -> None:
    y = np.zeros(5, int)
    found = compare_answers(make_exam(y, y), make_exam(y, y, first=9), "accuracy", confidence=0.95)
    assert found
    assert found.n == 0
    assert np.isnan(found.p)
    others = make_exam(y, y, names=("a", "b", "d"))
    assert compare_answers(make_exam(y, y), others, "accuracy", confidence=0.95) is None


def test_classes_in_another_order_are_the_same_classes() -> None:
    y = np.arange(30) % 3
    turned = make_exam((y + 1) % 3, (y + 1) % 3, names=("c", "a", "b"))
    found = compare_answers(make_exam(y, y), turned, "accuracy", confidence=0.95)
    assert found
    assert (found.n, found.interval.value) == (30, 0)
