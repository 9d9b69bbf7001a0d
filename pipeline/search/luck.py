"""How much of a cross-validated score is luck: its interval, and what folds and seeds have to do with it."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval

Float64 = npt.NDArray[np.float64]


_EQUAL = 1e-9  # a difference that is none


class Spread(NamedTuple):
    """Standard deviations of a score: between folds, and between trainings that differ in seed alone."""

    fold: float
    seed: float


def bound_resampled(scores: Float64, *, test_share: float, confidence: float) -> Interval:
    """The mean of scores with the corrected resampled t interval.

    Folds share most of their training pictures, so their scores vary together and the plain t interval is too
    short. Nadeau and Bengio (2003), "Inference for the generalization error", add the share of tested to
    training pictures to the variance.

    Args:
        scores: of each fold [n_folds]; means over seeds, if there are several.
        test_share: tested pictures of a fold by its training pictures, such as 0.25.

    Returns:
        nan for both ends if there is one fold, or if all scores are equal: few pictures score alike by
        chance, and that is no certainty. The ends may lie beyond what the score can be.
    """
    from scipy.special import stdtrit

    mean, n = float(scores.mean()), len(scores)
    if n < 2 or np.ptp(scores) < _EQUAL:
        return Interval(mean, np.nan, np.nan)
    reach = stdtrit(n - 1, (1 + confidence) / 2) * np.sqrt((1 / n + test_share) * scores.var(ddof=1))
    return Interval(mean, mean - float(reach), mean + float(reach))


def divide_spread(scores: npt.NDArray[np.floating[Any]]) -> Spread:
    """What of the spread of scores [n_folds, n_seeds] comes with the fold, and what with the seed.

    By a one-way analysis of variance with random folds (Searle, Casella and McCulloch 1992, chapter 3). With
    one seed the two cannot be told apart: `seed` is nan, and `fold` holds both.
    """
    n_seeds = scores.shape[1]
    between = float(scores.mean(axis=1).var(ddof=1)) if len(scores) > 1 else np.nan
    if n_seeds < 2:
        return Spread(float(np.sqrt(between)), np.nan)
    within = float(scores.var(axis=1, ddof=1).mean())
    return Spread(float(np.sqrt(max(0.0, between - within / n_seeds))), float(np.sqrt(within)))
