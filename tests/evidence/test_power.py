"""The smallest detectable difference: what it promises comes true in simulated comparisons of models."""

import math

import numpy as np
import pytest

from pipeline.evidence.exams import Exam
from pipeline.evidence.paired import compare_answers
from pipeline.evidence.power import LUCK, POWER, compute_power, count_needed, find_detectable


def find_better(n: int, better: float, worse: float, *, n_runs: int = 1500) -> float:
    """How often `compare_answers` finds the better of two models that err independently on n pictures."""
    rng, found = np.random.default_rng(0), 0
    ids, y_true = np.arange(n).astype(str), np.zeros(n, np.int64)
    for _ in range(n_runs):
        one, other = (
            Exam(ids, y_true, (rng.random(n) > accuracy).astype(np.int64), ("a", "b"))
            for accuracy in (better, worse)
        )
        difference = compare_answers(one, other, "accuracy", confidence=1 - LUCK)
        assert difference
        found += difference.interval.value > 0 and difference.p < LUCK
    return found / n_runs


@pytest.mark.parametrize(("n", "accuracy"), [(40, 0.9), (100, 0.95), (360, 0.98), (1000, 0.9), (2000, 0.6)])
def test_the_difference_is_found_in_four_of_five_cases(n: int, accuracy: float) -> None:
    difference = find_detectable(n, accuracy)
    assert find_better(n, accuracy, accuracy - difference) == pytest.approx(POWER, abs=0.03)


def test_one_point_is_found_with_so_many_pictures() -> None:
    n = count_needed(0.01, 0.985)
    assert find_better(n, 0.985, 0.975) == pytest.approx(POWER, abs=0.03)
    assert compute_power(n, 0.985, 0.975) >= POWER > compute_power(n - 50, 0.985, 0.975)


def test_many_pictures_agree_with_connors_formula() -> None:
    better, worse = 0.9, 0.88
    psi, d = better * (1 - worse) + worse * (1 - better), better - worse
    n = ((1.959964 * math.sqrt(psi) + 0.841621 * math.sqrt(psi - d**2)) / d) ** 2
    assert count_needed(d, better) == pytest.approx(n, rel=0.03)
    assert count_needed(d, better) > n, "the exact test needs more"


def test_equal_models_are_told_apart_by_luck_alone() -> None:
    assert compute_power(500, 0.9, 0.9) <= LUCK / 2
    assert compute_power(500, 1.0, 1.0) == 0


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_pictures_prove_nothing(n: int) -> None:
    """Five wins of five have p = 1/16."""
    assert math.isnan(find_detectable(n, 1.0))


def test_six_pictures_prove_what_is_perfect() -> None:
    assert 0.9 < find_detectable(6, 1.0) < 1


def test_no_number_of_pictures_finds_a_model_that_cannot_be() -> None:
    assert count_needed(0.01, 0.005) == 0
