"""Two models by groups: against resamples made one by one, against scipy, and by simulation."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from pipeline.evidence.metrics import SCORES
from pipeline.evidence.paired_groups import (
    Pair,
    bootstrap_difference,
    compute_difference_p,
    compute_gain_p,
    count_groups,
)

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
Rng = np.random.Generator


def make_pair(
    sizes: Any, *, skills: tuple[float, float], seed: int, k: int = 2, agreement: float = 0.8
) -> Pair:
    """Groups of these sizes, each of one class; `agreement` of their pictures are answered as their group."""
    rng = np.random.default_rng(seed)
    n_groups = len(sizes)
    groups = np.repeat(np.arange(n_groups), sizes)
    y = rng.integers(0, k, n_groups)[groups]
    hard = rng.random(n_groups)
    made = []
    for skill in skills:
        of_group = (0.5 * hard + 0.5 * rng.random(n_groups) < 1 - np.sqrt((1 - skill) / 2))[groups]
        alone = rng.random(len(groups)) < skill
        is_right = np.where(rng.random(len(groups)) < agreement, of_group, alone)
        made.append(np.where(is_right, y, (y + rng.integers(1, k, len(y))) % k))
    return Pair(y, made[0], made[1], groups, k)


def resample_slowly(pair: Pair, metric: str, n: int) -> list[float]:
    """The same bootstrap of two classes, picture by picture: draw groups of a class, score what they hold."""
    rng, score = np.random.default_rng(1), SCORES[metric]
    members = [np.flatnonzero(pair.groups == group) for group in np.unique(pair.groups)]
    drawn = []
    for _ in range(n):
        rows: list[tuple[int, int, int]] = []
        for c in range(2):
            own = [one for one in members if pair.y_true[one[0]] == c]
            share = len(own) / len(members)
            parts = np.stack([pair.y_true, pair.first, pair.second], axis=1)
            found = [[tuple(row) for row in parts[one].tolist()] for one in own]
            pool: list[Any] = [*found, [(c, c, 1 - c)], [(c, 1 - c, c)]]
            weights = np.array([1.0] * len(own) + [share, share])
            for at in rng.choice(len(pool), len(own), p=weights / weights.sum()):
                rows += pool[at]
        y, first, second = np.array(rows).T
        drawn.append(score(y, first, 2) - score(y, second, 2))
    return drawn


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_is_that_of_groups_drawn_one_by_one(metric: str) -> None:
    pair = make_pair([1] * 20 + [3] * 6 + [8], skills=(0.85, 0.7), seed=3)
    found = bootstrap_difference(pair, metric, confidence=0.8)
    expected = np.quantile(resample_slowly(pair, metric, 3000), [0.1, 0.9])
    assert found[1:] == pytest.approx(expected, abs=0.015)
    first, second = pair.score(metric)
    assert found.value == pytest.approx(first - second)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([1] * 150, id="single"),
        pytest.param([3] * 60, id="triples"),
        pytest.param([1] * 120 + [8] * 10, id="some large"),
    ],
)
def test_intervals_hold_the_truth_with_groups_too(metric: str, sizes: list[int]) -> None:
    """Two equal models: the truth is 0."""
    tries = [make_pair(sizes, skills=(0.85, 0.85), seed=seed, k=3, agreement=1.0) for seed in range(150)]
    found = [bootstrap_difference(one, metric, confidence=0.9, n_resamples=400) for one in tries]
    assert 0.84 < np.mean([one.low <= 0 <= one.high for one in found]) < 0.97


def test_copies_prove_nothing_more() -> None:
    """Ten copies of every picture leave the interval and the test as they are."""
    single = make_pair([1] * 100, skills=(0.9, 0.8), seed=1)
    ten = single.choose(np.repeat(np.arange(100), 10))
    assert count_groups(ten) == count_groups(single)
    one, other = (bootstrap_difference(pair, "accuracy", confidence=0.95) for pair in (single, ten))
    assert other == pytest.approx(one, abs=0.015)


def test_few_differences_prove_nothing() -> None:
    """Four gains without a loss are luck in one of 16 cases; resampling alone would never draw a loss."""
    y = np.zeros(600, int)
    pair = Pair(y, y, np.where(np.arange(600) < 4, 1, 0), np.arange(600), 2)
    assert bootstrap_difference(pair, "accuracy", confidence=0.95).low <= 0
    same = bootstrap_difference(Pair(y, y, y, np.arange(600), 2), "accuracy", confidence=0.95)
    assert same.low < same.value == 0 < same.high


def test_a_rare_level_is_further_out_than_all_resamples() -> None:
    pair = make_pair([1] * 300, skills=(0.9, 0.8), seed=1)
    value, low, high = bootstrap_difference(pair, "accuracy", confidence=1 - 2e-8)
    drawn = bootstrap_difference(pair, "accuracy", confidence=0.95)
    reach = stats.norm.ppf(1 - 1e-8) / stats.norm.ppf(0.975)
    assert (value - low) / (value - drawn.low) == pytest.approx(reach, rel=0.1)
    assert high - value > 2 * (drawn.high - value)


def test_a_group_counts_once() -> None:
    """Groups: one that the first wins 2 to 1, one that it loses 0 to 1, one that both answer alike."""
    first = np.array([0, 0, 1, 1, 1, 0, 1])
    second = np.array([0, 1, 1, 1, 0, 0, 1])
    pair = Pair(np.zeros(7, int), first, second, np.array([5, 5, 5, 2, 2, 9, 9]), 2)
    assert count_groups(pair) == (3, 1, 1)
    assert count_groups(pair.choose(pair.groups == 5)) == (1, 1, 0)
    assert count_groups(pair.choose(np.zeros(7, bool))) == (0, 0, 0)


@pytest.mark.parametrize(("won", "lost"), [(12, 5), (5, 12), (3, 0), (0, 3), (7, 7), (0, 0), (400, 300)])
def test_p_is_the_exact_binomial_one(won: int, lost: int) -> None:
    def expect(side: str) -> float:
        return float(stats.binomtest(won, won + lost, alternative=side).pvalue) if won + lost else 1.0

    assert compute_gain_p(won, lost) == pytest.approx(expect("greater"))
    assert compute_gain_p(lost, won) == pytest.approx(expect("less"))
    assert compute_difference_p(won, lost) == pytest.approx(expect("two-sided"))


def test_no_picture_is_no_difference() -> None:
    nothing = np.zeros(0, int)
    found = bootstrap_difference(Pair(nothing, nothing, nothing, nothing, 2), "accuracy", confidence=0.9)
    assert np.isnan(found).all()
