"""Labels that may be wrong, by the answers of networks that have not learned from the pictures.

Confident learning: Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset
Labels", JAIR 70, 1373-1411, equations 1 and 2. A class may be harder than another, and a network too sure of
one. So each class has a threshold of its own: how sure the network is of it, on average, where it is the
label. The ranking is their normalised margin.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_ROUNDING = 1e-9  # of a mean: pictures of equal probability all reach it


@dataclass(frozen=True)
class Audit:
    """What the answers say about n labels.

    Attributes:
        suggested: the class that a picture probably shows [n]; its label where nothing else is likely.
        margin: the probability of the label minus the largest of another class [n], -1..1; low is suspect.
        order: the pictures from the lowest margin to the highest [n]; ties as they come.
    """

    suggested: Ints
    margin: Float64
    order: Ints


def audit_labels(labels: Ints, y_prob: Float32) -> Audit:
    """Compare labels with answers.

    Args:
        labels: class indices [n].
        y_prob: class probabilities [n, n_classes] by networks that have not learned from these labels.
    """
    margin = measure_margins(labels, y_prob)
    order = np.argsort(margin, kind="stable").astype(np.int64)
    return Audit(suggest_labels(labels, y_prob, find_thresholds(labels, y_prob)), margin, order)


def find_thresholds(labels: Ints, y_prob: Float32) -> Float64:
    """The mean probability of each class over the pictures with that label [n_classes].

    It is infinite for a class without pictures: nothing is known about how sure of it the network should be.
    """
    n_classes = y_prob.shape[1]
    own = np.take_along_axis(y_prob.astype(np.float64), labels[:, None], axis=1)[:, 0]
    n_of_class = np.bincount(labels, minlength=n_classes)
    sums = np.bincount(labels, weights=own, minlength=n_classes)
    return np.where(n_of_class > 0, sums / np.maximum(n_of_class, 1), np.inf)


def suggest_labels(labels: Ints, y_prob: Float32, thresholds: Float64) -> Ints:
    """The likeliest class among those that reach their thresholds [n].

    It is the label where no class does, or where no other is likelier than the label.
    """
    reached = np.where(y_prob >= thresholds - _ROUNDING, y_prob.astype(np.float64), -1.0)
    best = reached.max(axis=1, initial=-1.0)
    own = np.take_along_axis(reached, labels[:, None], axis=1)[:, 0]
    return np.where((best < 0) | (own == best), labels, reached.argmax(axis=1)).astype(np.int64)


def measure_margins(labels: Ints, y_prob: Float32) -> Float64:
    """The probability of each label minus the largest of another class [n]."""
    others = y_prob.astype(np.float64)
    own = np.take_along_axis(others, labels[:, None], axis=1)[:, 0]
    np.put_along_axis(others, labels[:, None], 0.0, axis=1)
    return np.asarray(own - others.max(axis=1, initial=0.0))
