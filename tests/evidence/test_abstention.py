"""abstention: the least probability above which enough answers are right."""

import numpy as np
import pytest

from pipeline.evidence.abstention import answer_nested, average_over, choose_limit, measure_reach
from pipeline.serving.answer_rule import NEVER

CONFIDENCE = np.linspace(0.99, 0.5, 50, dtype=np.float32)  # falling


@pytest.mark.parametrize(
    ("wrong", "min_precision", "n_passed"),
    [
        pytest.param([], 0.95, 50, id="all right: all pass"),
        pytest.param(range(40, 50), 1.0, 40, id="the last ten wrong"),
        pytest.param(range(40, 50), 0.95, 42, id="40 of 42 are 95.2 %"),
        pytest.param([0], 1.0, 0, id="the surest is wrong"),
        pytest.param(range(50), 0.5, 0, id="all wrong"),
    ],
)
def test_the_limit_lets_pass_as_many_as_it_may(wrong: range, min_precision: float, n_passed: int) -> None:
    is_right = np.ones(50, bool)
    is_right[list(wrong)] = False
    limit = choose_limit(is_right, CONFIDENCE, min_precision)
    assert (limit <= CONFIDENCE).sum() == n_passed
    assert (limit == NEVER) == (n_passed == 0)
    assert (limit == 0) == (n_passed == 50)


def test_equal_probabilities_pass_together() -> None:
    is_right = np.array([True] * 20 + [False] * 20)
    assert choose_limit(is_right, np.full(40, 0.75, np.float32), 0.95) == NEVER
    assert choose_limit(is_right, np.full(40, 0.75, np.float32), 0.5) == 0


def test_a_few_right_answers_are_luck() -> None:
    is_right = np.array([True] * 5 + [False] * 45)
    assert choose_limit(is_right, CONFIDENCE, 0.95) == NEVER
    assert choose_limit(np.array([], bool), CONFIDENCE[:0], 0.95) == NEVER


def test_a_fold_is_judged_by_the_limit_of_the_others() -> None:
    is_right, fold = np.ones(50, bool), np.arange(50) % 2
    is_right[fold == 1] = CONFIDENCE[fold == 1] > 0.8
    passes = answer_nested(is_right, CONFIDENCE, fold, 1.0)
    assert passes[fold == 1].all(), "all of fold 0 are right, so fold 1 is answered whole"
    assert (
        passes[fold == 0].sum()
        == (CONFIDENCE[fold == 0] >= choose_limit(is_right[fold == 1], CONFIDENCE[fold == 1], 1.0)).sum()
    )


def test_reach_and_sources_that_weigh_alike() -> None:
    groups = np.array([0] * 8 + [1] * 2)
    passes = np.array([True] * 8 + [False] * 2)
    reach = measure_reach(np.ones(10, bool), passes, groups, confidence=0.95)
    assert (reach.coverage.value, reach.precision.value) == (0.8, 1.0)
    assert reach.precision.low < 1
    assert average_over(groups, passes) == 0.5
    assert np.isnan(average_over(groups[:0], passes[:0]))
    nothing = measure_reach(np.ones(10, bool), np.zeros(10, bool), groups, confidence=0.95)
    assert np.isnan(nothing.precision.value)
