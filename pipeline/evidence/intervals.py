"""How sure a score is: exact intervals for shares, percentile bootstrap intervals for averages over classes.

Both go by groups of near-duplicates, because two pictures of one thing say less than pictures of two things.

A share of right answers has a binomial interval (Clopper and Pearson 1934). So one right answer of one is not
"100 % to 100 %". Groups enter it as in Korn and Graubard (1998): the pictures count as the number of
independent ones that would give the same variance.

The bootstrap draws whole groups. Groups that contribute the same to a score are of one kind. So drawing
groups with replacement is drawing kinds from a multinomial distribution (Efron and Tibshirani 1993, chapter
13).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
Float64 = npt.NDArray[np.float64]

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
    from scipy.special import betaincinv

    if not len(values):
        return Interval(np.nan, 0.0, 1.0)
    share, n = float(values.mean()), _count_independent(values, groups, confidence)
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
    effective = n / max(1.0, variance * (n - 1) / (share * (1 - share)))
    tail = (1 - confidence) / 2
    return float(np.clip(effective * (stdtrit(n - 1, tail) / stdtrit(n_groups - 1, tail)) ** 2, 1, n))


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
