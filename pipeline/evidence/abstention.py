"""Where a model answers by itself, and where it asks for a person.

The largest probability is the score: on scans of new sources no distance to the training pictures did better
(docs/benchmarks.md). What matters is which answers the limit is chosen on. Those of networks that have seen
neither a picture nor its source are as wrong as answers to new scans will be.

Sources differ: a limit that is just good enough for some is too low for the next. So it is chosen a standard
error on the safe side, as by the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984,
"Classification and Regression Trees"). The standard error is that of a ratio of sums over groups (Cochran
1977, "Sampling Techniques", chapter 6).

Some probabilities say nothing: right and wrong answers have the same. By chance the first twenty are then
right all the same. So there is no limit unless right answers have higher probabilities by more than luck, by
the area under the ROC curve and its variance over groups (Obuchowski 1997, "Nonparametric analysis of
clustered ROC curve data").
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.power import LUCK
from pipeline.serving.answer_rule import NEVER

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_FEWEST = 10  # answers above a limit, at least; a precision of fewer is luck
_CHANCE = 0.5  # the area under the ROC curve of probabilities that say nothing


class Separation(NamedTuple):
    """The area under the ROC curve of right answers against wrong ones, and whether chance explains it.

    `area`: 0.5 where probabilities say nothing; nan without answers of both kinds.
    """

    area: float
    is_luck: bool


class Reach(NamedTuple):
    """The share of answers that pass, and the share of right ones among them, with their intervals."""

    coverage: Interval
    precision: Interval


def choose_limit(is_right: Bools, confidence: Float32, groups: Ints, min_precision: float) -> float:
    """The least probability above which `min_precision` of the answers are right, less a standard error.

    Args:
        is_right, confidence: of answers by networks that have not seen the pictures [n].
        groups: the number of each picture's group [n], such as a source.

    Returns:
        A probability; 0 where all answers pass, and NEVER where no limit is good enough, or where
        probabilities do not tell right answers from wrong ones.
    """
    if not len(is_right):
        return NEVER
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    precision, error = measure_precisions(is_right[order], groups[order])
    is_last = np.append(np.diff(sorted_confidence) < 0, True)  # equal probabilities pass together
    good = np.flatnonzero((precision - error >= min_precision) & is_last)
    good = good[good + 1 >= min(_count_fewest(min_precision), len(order))]
    if not len(good):
        return NEVER
    if good[-1] == len(order) - 1:
        return 0.0
    if measure_separation(is_right, confidence, groups).is_luck:
        return NEVER
    return float(sorted_confidence[good[-1]])


def _count_fewest(min_precision: float) -> int:
    """So many that one error more would still be allowed: fewer do not show such a precision."""
    return max(_FEWEST, math.ceil(1 / (1 - min_precision))) if min_precision < 1 else _FEWEST


def measure_separation(is_right: Bools, confidence: Float32, groups: Ints) -> Separation:
    """How well probabilities tell right answers from wrong ones.

    Args:
        is_right, confidence: of answers [n].
        groups: the number of each picture's group [n].
    """
    from scipy.special import stdtrit

    n_groups = int((np.bincount(groups) > 0).sum()) if len(groups) else 0
    if n_groups < 2 or is_right.all() or not is_right.any():
        return Separation(np.nan, is_luck=True)
    below_right, below_wrong = (_share_below(confidence[kind], confidence) for kind in (is_right, ~is_right))
    placed = np.where(is_right, below_wrong, 1 - below_right)  # the share of the other kind on its right side
    area = float(placed[is_right].mean())
    weights = (placed - area) / np.where(is_right, is_right.sum(), (~is_right).sum())
    variance = n_groups / (n_groups - 1) * float((np.bincount(groups, weights=weights) ** 2).sum())
    low = area - float(stdtrit(n_groups - 1, 1 - LUCK)) * math.sqrt(variance)
    return Separation(area, is_luck=low <= _CHANCE)


def _share_below(values: Float32, confidence: Float32) -> Float64:
    """The share of values that are less than each probability; equal ones count half."""
    ordered = np.sort(values)
    places = [np.searchsorted(ordered, confidence, side) for side in ("left", "right")]
    return np.asarray(np.mean(places, axis=0) / len(values), np.float64)


def measure_precisions(is_right: Bools, groups: Ints) -> tuple[Float64, Float64]:
    """The share of right answers among the first 1, 2, ... n, and its standard error over groups, both [n].

    Where only one group has answered, the error is 1, because nothing tells how far groups differ.
    """
    n = np.arange(1, len(is_right) + 1)
    wrong = 1.0 - is_right
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(groups[order]) != 0))
    sizes = np.diff(np.append(starts, len(order)))
    before, errors = np.empty(len(n)), np.empty(len(n))  # answers, and errors, of the own group so far
    before[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    summed = np.cumsum(wrong[order]) - wrong[order]
    errors[order] = summed - np.repeat(summed[starts], sizes)
    share = np.cumsum(wrong) / n
    squares = np.cumsum(wrong * (2 * errors + 1))  # over groups: of errors, of both, of answers
    mixed = np.cumsum(errors + wrong * (before + 1))
    answers = np.cumsum(2 * before + 1)
    n_groups = np.cumsum(before == 0)
    spread = np.maximum(squares - 2 * share * mixed + share**2 * answers, 0.0)
    variance = n_groups / np.maximum(n_groups - 1, 1) * spread / n**2
    return 1.0 - share, np.where(n_groups > 1, np.sqrt(variance), 1.0)


def answer_nested(
    is_right: Bools, confidence: Float32, groups: Ints, fold: Ints, min_precision: float
) -> Bools:
    """Which answers pass [n], each by a limit that was chosen without its own fold."""
    passes = np.zeros(len(is_right), np.bool_)
    for number in np.unique(fold):
        own = fold == number
        others = ~own
        limit = choose_limit(is_right[others], confidence[others], groups[others], min_precision)
        passes[own] = confidence[own] >= limit
    return passes


def measure_reach(is_right: Bools, passes: Bools, groups: Ints, *, confidence: float) -> Reach:
    """Coverage and precision of the answers that pass.

    Args:
        groups: the number of each picture's group [n]: near-duplicates, or a source.
        confidence: the level of the intervals.
    """
    return Reach(
        bound_share(passes.astype(np.float64), groups, confidence=confidence),
        bound_share(is_right[passes].astype(np.float64), groups[passes], confidence=confidence),
    )


def average_over(groups: Ints, values: Bools) -> float:
    """The mean over groups of the mean within each: sources then weigh alike. nan without any."""
    if not len(groups):
        return np.nan
    sizes, sums = np.bincount(groups), np.bincount(groups, weights=values)
    return float((sums[sizes > 0] / sizes[sizes > 0]).mean())
