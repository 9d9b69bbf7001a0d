"""Effects: an interval that holds the truth, and words that follow from it."""

import math
from typing import Any

import numpy as np
import pytest

from pipeline.evidence.intervals import Interval
from pipeline.search.effects import (
    Effect,
    bound_over_folds,
    bound_over_seeds,
    describe_effect,
    describe_luck,
)
from pipeline.search.luck import bound_resampled


def answer(n_seeds: int, n: int, *, gain: float, spread: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Right answers of two settings; a seed shifts what a training can do, and pictures differ."""
    hard = rng.random(n)
    made = []
    for skill in (0.8 + gain, 0.8):
        shift = rng.normal(scale=spread, size=(n_seeds, 1))
        made.append(
            (0.5 * hard + 0.5 * rng.random((n_seeds, n)) < 1 - np.sqrt((1 - skill) / 2) + shift).astype(float)
        )
    return made[0], made[1]


@pytest.mark.parametrize(("spread", "n"), [(0.0, 60), (0.03, 200)])
def test_where_nothing_was_brought_the_interval_holds_zero(spread: float, n: int) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        change, base = answer(3, n, gain=0.0, spread=spread, rng=rng)
        found.append(bound_over_seeds(change, base, np.arange(n)))
    assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.95


def test_what_all_seeds_say_of_one_picture_is_luck() -> None:
    """No spread over seeds at all: the pictures have luck of their own."""
    base = np.ones((3, 30))
    base[:, :3] = 0
    change = base.copy()
    change[:, 0] = 1
    value, low, high = bound_over_seeds(change, base, np.arange(30))
    assert value == pytest.approx(1 / 30)
    assert low < 0 < high


def test_a_large_gain_is_seen_and_copies_of_a_picture_count_as_one() -> None:
    rng = np.random.default_rng(1)
    change, base = answer(4, 300, gain=0.15, spread=0.005, rng=rng)
    alone = bound_over_seeds(change, base, np.arange(300))
    assert alone.low > 0
    twice = (np.repeat(change, 4, axis=1), np.repeat(base, 4, axis=1))
    grouped = bound_over_seeds(*twice, np.repeat(np.arange(300), 4))
    assert grouped == pytest.approx(alone)
    assert bound_over_seeds(*twice, np.arange(1200)).low > grouped.low


def test_one_seed_or_one_group_has_no_interval() -> None:
    ones = np.ones((1, 5))
    assert math.isnan(bound_over_seeds(ones, ones, np.arange(5)).low)
    assert math.isnan(bound_over_seeds(np.ones((2, 5)), np.ones((2, 5)), np.zeros(5, int)).low)


def test_over_folds_it_is_the_corrected_interval_of_the_differences() -> None:
    change, base = np.array([[0.9, 0.8], [0.8, 0.8], [0.7, 0.9]]), np.full((3, 2), 0.7)
    expected = bound_resampled(np.array([0.15, 0.1, 0.1]), test_share=0.5, confidence=0.95)
    assert bound_over_folds(change, base, test_share=0.5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Effect("a", "", 0.9, Interval(0.1, 0.05, 0.15)), "better so, more than luck"),
        (Effect("a", "", 0.9, Interval(-0.1, -0.15, -0.05)), "worse so, more than luck"),
        (Effect("a", "", 0.9, Interval(0.1, -0.05, 0.25)), "no more than luck"),
        (
            Effect("a", "", 0.9, Interval(0.1, math.nan, math.nan)),
            "not to be said: all differ alike; take more pictures, folds or seeds",
        ),
        (Effect("a", "", idle="the same as b"), "not trained: the same as b"),
    ],
)
def test_an_effect_in_words(effect: Effect, said: str) -> None:
    assert describe_effect(effect) == said


def test_how_sure_that_is_in_words() -> None:
    one = Effect("a", "", 0.9, Interval(0.1, 0.05, 0.15))
    assert describe_luck([one], asked="3 trainings") == "each setting: 3 trainings; 95% intervals"
    assert "of 2 such intervals" in describe_luck([one, one], asked="3 trainings")
    assert describe_luck([Effect("a", "", idle="x")], asked="") == ""
