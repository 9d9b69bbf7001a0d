"""Whether probabilities mean what they say, and the temperature that makes them.

Temperature scaling and the expected calibration error are those of Guo et al. (2017), "On calibration of
modern neural networks", arXiv:1706.04599.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.serving.answer_rule import temper

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_BINS = 15
_RANGE = (0.05, 20.0)  # of temperatures
_ENOUGH = 20  # answers; fewer say nothing about a temperature


class Bins(NamedTuple):
    """Answers by the probability that they were given, in `N_BINS` bins of equal width.

    Attributes:
        n: how many answers [N_BINS].
        confidence: their mean probability [N_BINS]; nan where a bin is empty.
        accuracy: the share of right ones [N_BINS]; nan where a bin is empty.
    """

    n: Ints
    confidence: Float64
    accuracy: Float64

    @property
    def error(self) -> float:
        """The expected calibration error: the mean difference of probability and accuracy, over answers."""
        share = self.n / max(self.n.sum(), 1)
        return float(np.nansum(share * np.abs(self.confidence - self.accuracy)))


def fit_temperature(y_true: Ints, y_prob: Float32) -> float:
    """The temperature with the least log loss, from 0.05 to 20; 1 where there are too few answers to say.

    Args:
        y_true: the class of each picture [n].
        y_prob: class probabilities [n, n_classes] by a network that has not learned from these pictures.
    """
    from scipy.optimize import minimize_scalar

    if len(y_true) < _ENOUGH:
        return 1.0

    def lose(log_temperature: float) -> float:
        given = temper(y_prob, float(np.exp(log_temperature)))[np.arange(len(y_true)), y_true]
        return float(-np.log(np.maximum(given, 1e-7)).mean())

    found = minimize_scalar(lose, bounds=np.log(_RANGE), method="bounded", options={"xatol": 1e-4})
    return round(float(np.exp(found.x)), 4)


def count_bins(is_right: npt.NDArray[np.bool_], confidence: Float32) -> Bins:
    """The answers by the probability they were given [n]."""
    place = np.minimum((confidence.astype(np.float64) * N_BINS).astype(np.int64), N_BINS - 1)
    n = np.bincount(place, minlength=N_BINS)
    sums = (np.bincount(place, weights=values, minlength=N_BINS) for values in (confidence, is_right))
    means = [np.divide(total, n, out=np.full(N_BINS, np.nan), where=n > 0) for total in sums]
    return Bins(n, *means)
