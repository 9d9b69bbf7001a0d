"""abstention: the least probability above which enough answers are right."""

import numpy as np
import pytest

from pipeline.evidence.abstention import (
    answer_nested,
    average_over,
    choose_limit,
    measure_precisions,
    measure_reach,
    measure_separation,
)
from pipeline.serving.answer_rule import NEVER

CONFIDENCE = np.linspace(0.99, 0.5, 50, dtype=np.float32)  # falling
ALONE = np.arange(50)  # each picture is a group by itself


@pytest.mark.parametrize(
    ("wrong", "min_precision", "n_passed"),
    [
        pytest.param([], 0.95, 50, id="all right: all pass"),
        pytest.param(range(40, 50), 1.0, 40, id="the last ten wrong"),
        pytest.param(
            range(40, 50), 0.95, 41, id="40 of 41 are 97.6 %, less 2.4; 40 of 42 are 95.2, less 3.3"
        ),
        pytest.param([0], 1.0, 0, id="the surest is wrong"),
        pytest.param(range(50), 0.5, 0, id="all wrong"),
    ],
)
def test_the_limit_lets_pass_as_many_as_it_may(wrong: range, min_precision: float, n_passed: int) -> None:
    is_right = np.ones(50, bool)
    is_right[list(wrong)] = False
    limit = choose_limit(is_right, CONFIDENCE, ALONE, min_precision)
    assert (limit <= CONFIDENCE).sum() == n_passed
    assert (limit == NEVER) == (n_passed == 0)
    assert (limit == 0) == (n_passed == 50)


def test_equal_probabilities_pass_together() -> None:
    is_right = np.array([True] * 20 + [False] * 20)
    assert choose_limit(is_right, np.full(40, 0.75, np.float32), ALONE[:40], 0.95) == NEVER
    assert choose_limit(is_right, np.full(40, 0.75, np.float32), ALONE[:40], 0.4) == 0


def test_a_few_right_answers_are_luck() -> None:
    is_right = np.array([True] * 5 + [False] * 45)
    assert choose_limit(is_right, CONFIDENCE, ALONE, 0.95) == NEVER
    assert choose_limit(np.array([], bool), CONFIDENCE[:0], ALONE[:0], 0.95) == NEVER


def test_probabilities_that_say_nothing_set_no_limit() -> None:
    """Of 100 answers 93 % are right whatever their probability; 300 times, the first twenty may be right."""
    rng, alone = np.random.default_rng(0), np.arange(100)
    limits = []
    for _ in range(300):
        is_right, confidence = rng.random(100) < 0.93, rng.random(100).astype(np.float32)
        limits.append(choose_limit(is_right, confidence, alone, 0.95))
    n_limited = sum(0 < limit < NEVER for limit in limits)
    assert n_limited <= 30, "a quarter, if nothing asked whether probabilities tell right from wrong"


def test_right_answers_have_higher_probabilities_by_more_than_luck() -> None:
    is_right = np.arange(50) < 40
    sure = measure_separation(is_right, CONFIDENCE, ALONE)
    assert sure == (1.0, False)
    same = measure_separation(is_right, np.full(50, 0.7, np.float32), ALONE)
    assert same == (0.5, True)
    turned = measure_separation(is_right, CONFIDENCE[::-1], ALONE)
    assert turned == (0.0, True)
    for none in (np.ones(50, bool), np.zeros(50, bool)):
        assert np.isnan(measure_separation(none, CONFIDENCE, ALONE).area)
    assert measure_separation(is_right[:0], CONFIDENCE[:0], ALONE[:0]).is_luck


def test_the_area_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    is_right, confidence = rng.random(60) > 0.4, rng.integers(0, 9, 60).astype(np.float32)
    above = confidence[is_right][:, None] - confidence[~is_right]
    assert measure_separation(is_right, confidence, np.arange(60)).area == pytest.approx(
        ((above > 0) + (above == 0) / 2).mean()
    )


def test_errors_of_one_group_raise_the_limit() -> None:
    is_right = np.ones(50, bool)
    is_right[[20, 30, 40]] = False
    sources = np.arange(50) % 10  # all three errors are of source 0
    spread = choose_limit(is_right, CONFIDENCE, ALONE, 0.9)
    assert choose_limit(is_right, CONFIDENCE, sources, 0.9) > spread
    assert choose_limit(is_right, CONFIDENCE, 0 * sources, 0.9) == NEVER, (
        "one source tells nothing of the next"
    )


def test_precisions_are_those_of_a_ratio_of_sums_over_groups() -> None:
    rng = np.random.default_rng(0)
    is_right, groups = rng.random(200) > 0.2, rng.choice([3, 5, 8, 13], 200)
    precision, error = measure_precisions(is_right, groups)
    for n in (1, 2, 10, 77, 200):
        seen = np.unique(groups[:n])
        of_group = groups[:n] == seen[:, None]
        residual = of_group @ (1.0 - is_right[:n]) - (1 - is_right[:n].mean()) * of_group.sum(axis=1)
        variance = len(seen) / max(len(seen) - 1, 1) * (residual**2).sum() / n**2
        assert precision[n - 1] == pytest.approx(is_right[:n].mean())
        assert error[n - 1] == pytest.approx(1 if len(seen) == 1 else np.sqrt(variance))


def test_a_fold_is_judged_by_the_limit_of_the_others() -> None:
    is_right, fold = np.ones(50, bool), np.arange(50) % 2
    is_right[fold == 1] = CONFIDENCE[fold == 1] > 0.8
    passes = answer_nested(is_right, CONFIDENCE, ALONE, fold, 1.0)
    assert passes[fold == 1].all(), "all of fold 0 are right, so fold 1 is answered whole"
    odd = fold == 1
    limit = choose_limit(is_right[odd], CONFIDENCE[odd], ALONE[odd], 1.0)
    assert passes[fold == 0].sum() == (CONFIDENCE[fold == 0] >= limit).sum()


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
