"""Where a model answers by itself, and where it asks for a person.

The largest probability is the score: on scans of new sources no distance to the training pictures did better
(docs/benchmarks.md). What matters is which answers the limit is chosen on. Those of networks that have seen
neither a picture nor its source are as wrong as answers to new scans will be.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval, bound_share
from pipeline.serving.answer_rule import NEVER

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_FEWEST = 10  # answers above a limit; a precision of fewer is luck


class Reach(NamedTuple):
    """The share of answers that pass, and the share of right ones among them, with their intervals."""

    coverage: Interval
    precision: Interval


def choose_limit(is_right: Bools, confidence: Float32, min_precision: float) -> float:
    """The least probability above which at least `min_precision` of the answers are right.

    Args:
        is_right, confidence: of answers by networks that have not seen the pictures [n].

    Returns:
        A probability; 0 where all answers pass, and NEVER where no limit is good enough.
    """
    if not len(is_right):
        return NEVER
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    precision = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
    is_last = np.append(np.diff(sorted_confidence) < 0, True)  # equal probabilities pass together
    good = np.flatnonzero((precision >= min_precision) & is_last)
    good = good[good + 1 >= min(_FEWEST, len(order))]
    if not len(good):
        return NEVER
    return 0.0 if good[-1] == len(order) - 1 else float(sorted_confidence[good[-1]])


def answer_nested(is_right: Bools, confidence: Float32, fold: Ints, min_precision: float) -> Bools:
    """Which answers pass [n], each by a limit that was chosen without its own fold."""
    passes = np.zeros(len(is_right), np.bool_)
    for number in np.unique(fold):
        own = fold == number
        passes[own] = confidence[own] >= choose_limit(is_right[~own], confidence[~own], min_precision)
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
