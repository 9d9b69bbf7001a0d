"""Where a model answers by itself, and where it asks for a person.

The largest probability is the score: on scans of new sources no distance to the training pictures did better
(docs/benchmarks.md). What matters is which answers the limit is chosen on. Those of networks that have seen
neither a picture nor its source are as wrong as answers to new scans will be.

Sources differ: a limit that is just good enough for some is too low for the next. So it is chosen a standard
error on the safe side, as by the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984,
"Classification and Regression Trees"). The standard error is that of a ratio of sums over groups (Cochran
1977, "Sampling Techniques", chapter 6).
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval, bound_share
from pipeline.serving.answer_rule import NEVER

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_FEWEST = 10  # answers above a limit, at least; a precision of fewer is luck


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
        A probability; 0 where all answers pass, and NEVER where no limit is good enough.
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
    return 0.0 if good[-1] == len(order) - 1 else float(sorted_confidence[good[-1]])


def _count_fewest(min_precision: float) -> int:
    """So many that one error more would still be allowed: fewer do not show such a precision."""
    return max(_FEWEST, math.ceil(1 / (1 - min_precision))) if min_precision < 1 else _FEWEST


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
