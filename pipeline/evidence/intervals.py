"""How sure a score is: exact intervals for shares, intervals from the bootstrap for other scores.

Both go by groups of near-duplicates, because two pictures of one thing say less than pictures of two things.

A share of right answers has a binomial interval (Clopper and Pearson 1934). So one right answer of one is not
"100 % to 100 %". Groups enter it as in Korn and Graubard (1998): the pictures count as the number of
independent ones that would give the same variance.

The bootstrap draws whole groups. Groups that contribute the same to a score are of one kind. So drawing
groups with replacement is drawing kinds from a multinomial distribution (Efron and Tibshirani 1993, chapter
13). Quantiles of the resamples are too narrow near 0 and 1: where few errors were seen, too few are drawn.
So the resamples give the variance alone, and the score gets the binomial interval of the share that has it.
tests/evidence/test_honesty.py holds how often the intervals cover the truth.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
Float64 = npt.NDArray[np.float64]

_NO_VARIANCE = 1e-15
_RESAMPLED_CELLS = 1_000_000  # at a time: bounds memory to some tens of MB


class Interval(NamedTuple):
    """A value with the ends of its interval; nan where it is not defined."""

    value: float
    low: float
    high: float

    def flatten(self, name: str) -> dict[str, float]:
        """As metrics: {name: value, "<name>_low": low, "<name>_high": high}."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def bound_share(values: Float64, groups: Ints, *, confidence: float) -> Interval:
    """The mean of `values` [n], each in 0..1, with its exact interval; 0 to 1 where n is 0.

    `groups` [n] numbers the groups of near-duplicates. Their effective number follows Korn and Graubard
    (1998), "Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data".
    """
    if not len(values):
        return Interval(np.nan, 0.0, 1.0)
    return _bound_binomial(float(values.mean()), _count_independent(values, groups, confidence), confidence)


def bound_score(
    value: float,
    variance: float,
    parts: Float64,
    n_of_part: Ints,
    *,
    n_groups: int,
    confidence: float,
) -> Interval:
    """A score in 0..1 with the binomial interval of a share that is as variable; nan where it is not defined.

    The variance itself is an estimate from the errors that were seen. So it counts one error more than these.
    A part without any error, or with nothing else, adds what the rule of succession expects of it: resampling
    shows no error that never occurred. So n of n right answers have the interval of `bound_share`.

    Args:
        variance: over the resamples of groups.
        parts: what the score is the mean of, [k]; nan: not defined, and left out.
        n_of_part: the number of groups behind each part [k].
        n_groups: the number of all groups.
    """
    from scipy.special import ndtri, stdtrit

    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan)
    if n_groups < 2:
        return _bound_binomial(value, 1.0, confidence)
    is_known, is_edge = ~np.isnan(parts), (parts == 0) | (parts == 1)
    expected = (n_of_part * parts + 1) / (n_of_part + 2)
    unseen = (expected * (1 - expected) / np.maximum(n_of_part, 1))[is_edge].sum() / is_known.sum() ** 2
    shifted = value + (expected - parts)[is_edge].sum() / is_known.sum()
    rarer = min(value, 1 - value)
    seen = variance + variance**2 / rarer**2 if rarer > 0 and variance > _NO_VARIANCE else 0.0
    if seen + unseen <= 0:
        return _bound_binomial(value, 1.0, confidence)  # the groups differ in nothing, so they say nothing
    tail = (1 - confidence) / 2
    n = shifted * (1 - shifted) / (seen + unseen)
    if seen:
        n *= float(ndtri(tail) / stdtrit(n_groups - 1, tail)) ** 2  # the variance of few groups is a guess
    return _bound_binomial(value, max(1.0, n), confidence)


def _bound_binomial(share: float, n: float, confidence: float) -> Interval:
    from scipy.special import betaincinv

    right, tail = share * n, (1 - confidence) / 2
    low = float(betaincinv(right, n - right + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, n - right, 1 - tail)) if right < n else 1.0
    return Interval(share, min(low, share), max(high, share))


def _count_independent(values: Float64, groups: Ints, confidence: float) -> float:
    """How many independent pictures say as much as these n: from 1 to n; n if each is a group by itself."""
    from scipy.special import stdtrit

    n = len(values)
    sizes = np.bincount(groups)
    n_groups = int((sizes > 0).sum())
    if n_groups == n:
        return float(n)
    if n_groups == 1:
        return 1.0
    share = float(values.mean())
    if share in (0.0, 1.0):
        return float(n_groups)  # there is no variance to compare
    surplus = np.bincount(groups, weights=values) - share * sizes
    variance = n_groups / (n_groups - 1) * float((surplus**2).sum()) / n**2
    effect = variance * (n - 1) / (share * (1 - share))
    effect = max(1.0, effect, _expect_effect(values, groups, sizes))
    tail = (1 - confidence) / 2
    return float(np.clip(n / effect * (stdtrit(n - 1, tail) / stdtrit(n_groups - 1, tail)) ** 2, 1, n))


def _expect_effect(values: Float64, groups: Ints, sizes: Ints) -> float:
    """How many times the groups make the variance larger, by how far the answers within them agree.

    The variance that was seen misses groups that happen to hold no error, which counts where few groups are
    large. So to the groups with errors is added one in which all answers agree.
    """
    share = float(values.mean())
    right = np.bincount(groups, weights=values)
    surplus, alone = right - share * sizes, np.bincount(groups, weights=(values - share) ** 2)
    pairs = float((sizes * (sizes - 1)).sum())
    agreement = float((surplus**2 - alone).sum()) / pairs / (share * (1 - share))
    is_several = sizes > 1
    n_seen = min(int((is_several & mixed).sum()) for mixed in (right < sizes, right > 0))
    agreement = float(np.clip((agreement * n_seen + 1) / (n_seen + 1), 0, 1))
    return float((sizes * (1 + (sizes - 1) * agreement)).sum()) / len(values)


def draw_kinds(counts: Ints, *, n_resamples: int, seed: int, n_columns: int = 1) -> Iterator[Float64]:
    """How often each kind of group comes in each resample, float64 [some, n_kinds], some at a time.

    Args:
        counts: how many groups of each kind there are [n_kinds]; a resample draws as many groups in all.
        n_columns: how many values the caller computes for each resample; it bounds memory.
    """
    rng = np.random.default_rng(seed)
    n_groups = int(counts.sum())
    at_once = max(1, _RESAMPLED_CELLS // max(len(counts), n_columns))
    for start in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - start)
        yield rng.multinomial(n_groups, counts / n_groups, size=size).astype(np.float64)


def find_ends(values: Float64, confidence: float) -> tuple[float, float]:
    """The lower and the upper quantile of a score over the resamples [n_resamples]."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def count_groups_of(classes: Ints, groups: Ints, n_classes: int) -> npt.NDArray[np.int64]:
    """How many groups hold a picture of each class [n_classes]."""
    pairs = np.unique(np.stack([classes, groups]), axis=1)
    return np.bincount(pairs[0], minlength=n_classes)
