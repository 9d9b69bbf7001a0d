"""What a change of the settings brought, and whether that is more than luck."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.evidence.fit import name_fit
from pipeline.evidence.intervals import Interval
from pipeline.search.luck import bound_resampled

CONFIDENCE = 0.95
_UNKNOWN = Interval(math.nan, math.nan, math.nan)

Float64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
Direction = Literal["better", "worse", "no more than luck", "not to be said"]


@dataclass(frozen=True)
class Effect:
    """What a change brought: its accuracy, minus that of the settings as they are. These are one, too.

    Attributes:
        what: each parameter with its old and new value, in words.
        accuracy: with the change, on average over seeds (and folds); nan if it was not trained.
        learnt: that on the pictures it learned from, as it saw them; nan where it is not known.
        brought: the difference with its interval; nan likewise.
        idle: why it was not trained; "" if it was.
    """

    name: str
    what: str
    accuracy: float = math.nan
    brought: Interval = _UNKNOWN
    idle: str = ""
    learnt: float = math.nan

    @property
    def fit(self) -> str:
        """How accuracy on training and validation pictures agree: a word, and the gap in points; or ""."""
        return name_fit(self.learnt, self.accuracy)

    @property
    def direction(self) -> Direction:
        """Whether the interval leaves out that it brought nothing."""
        if math.isnan(self.brought.low):
            return "not to be said"
        if self.brought.low > 0:
            return "better"
        return "worse" if self.brought.high < 0 else "no more than luck"


def bound_over_seeds(change: Float64, base: Float64, groups: Ints) -> Interval:
    """The difference of two accuracies on the same pictures, by trainings of the same seeds.

    Both seeds and pictures are drawn by luck. The variances of the mean over seeds and over groups of
    pictures are added, which is too large rather than too small (Owen 2007, "The pigeonhole bootstrap").

    Args:
        change, base: 1 where an answer is right [n_seeds, n]; the seeds are the same, in one order.
        groups: the number of each picture's group of near-duplicates [n].
    """
    from scipy.special import stdtrit

    surplus = change - base
    n_seeds, n = surplus.shape
    mean, tail = float(surplus.mean()), (1 + CONFIDENCE) / 2
    of_seed = bound_resampled(surplus.mean(axis=1), test_share=0.0, confidence=CONFIDENCE)
    n_groups = len(np.unique(groups))
    if n_groups < 2 or n_seeds < 2 or not (surplus - mean).any():
        return Interval(mean, math.nan, math.nan)
    of_group = np.bincount(groups, weights=surplus.mean(axis=0) - mean)
    variance = n_groups / (n_groups - 1) * float((of_group**2).sum()) / n**2
    of_seeds = 0.0 if math.isnan(of_seed.high) else of_seed.high - mean
    reach = math.hypot(of_seeds, float(stdtrit(n_groups - 1, tail)) * math.sqrt(variance))
    return Interval(mean, mean - reach, mean + reach)


def bound_over_folds(change: Float64, base: Float64, *, test_share: float) -> Interval:
    """The difference of cross-validated accuracies [n_folds, n_seeds] of the same folds and seeds.

    Args:
        test_share: as `luck.bound_resampled` takes it.
    """
    surplus = (change - base).mean(axis=1)
    return bound_resampled(surplus, test_share=test_share, confidence=CONFIDENCE)


def describe_effect(effect: Effect) -> str:
    """In words, what a change brought."""
    if effect.idle:
        return f"not trained: {effect.idle}"
    if effect.direction == "not to be said":
        return "not to be said: all differ alike; take more pictures, folds or seeds"
    if effect.direction == "no more than luck":
        return "no more than luck"
    return f"{effect.direction} so, more than luck"


def describe_luck(effects: Sequence[Effect], *, asked: str) -> str:
    """How the intervals were made, and what they promise; "" if nothing was trained.

    Args:
        asked: what each setting was trained and asked on, in words.
    """
    n = sum(not effect.idle for effect in effects)
    if not n:
        return ""
    several = f"; of {n} such intervals, each may miss by itself" if n > 1 else ""
    return f"each setting: {asked}; {CONFIDENCE:.0%} intervals{several}"
