"""How sure a score is: percentile bootstrap intervals over groups of near-duplicates.

Whole groups are drawn, because two pictures of one thing say less than pictures of two things. Groups that
contribute the same to a score are of one kind. So drawing groups with replacement is drawing kinds from a
multinomial distribution (Efron and Tibshirani 1993, chapter 13).
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
        """As metrics: {name: value, "<name>/low": low, "<name>/high": high}."""
        return {name: self.value, f"{name}/low": self.low, f"{name}/high": self.high}


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


def bound_mean(values: Float64, groups: Ints, *, n_resamples: int, confidence: float, seed: int) -> Interval:
    """The mean of `values` [n] with its interval; `groups` [n] numbers the groups of near-duplicates."""
    sizes = np.bincount(groups)
    sums = np.bincount(groups, weights=values)
    kinds, counts = np.unique(np.stack([sizes, sums], axis=1)[sizes > 0], axis=0, return_counts=True)
    means = [
        (drawn @ kinds[:, 1]) / (drawn @ kinds[:, 0])
        for drawn in draw_kinds(counts, n_resamples=n_resamples, seed=seed)
    ]
    low, high = find_ends(np.concatenate(means)[:, None], confidence)
    return Interval(float(values.mean()), float(low[0]), float(high[0]))


def find_ends(values: Float64, confidence: float) -> tuple[Float64, Float64]:
    """The lower and the upper quantile of each column over the resamples [n_resamples, m].

    Resamples in which a value is nan are left out. An end is nan if no resample defines the value.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    ends = np.full((2, values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        known = values[~np.isnan(values[:, column]), column]
        if len(known):
            ends[:, column] = np.quantile(known, tails)
    return ends[0], ends[1]
