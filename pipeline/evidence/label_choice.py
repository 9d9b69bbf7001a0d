"""Which unlabelled pictures to label next, by what a network makes of them.

Pictures are chosen one after the other, each as far as possible from those before it: the greedy k-center of
Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR,
algorithm 1. Distances are those of what the last layer receives, at length 1. The entropy of the answers
weighs them, as in Prabhu et al. 2021, "Active Domain Adaptation via Clustering Uncertainty-weighted
Embeddings", ICCV. Here it is its fourth root, since a network is often sure of its errors on pictures of a
new source. Without the weight, scans of known sources would be asked; with the whole entropy, too many of one
kind (`benchmarks/labels_queue.py`).
"""

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SMALLEST = 1e-12
_LEAST_DOUBT = 1e-6  # so that distance decides among answers of probability 1


def measure_doubt(y_prob: Float32) -> Float64:
    """The entropy of each row of probabilities [n, n_classes], as a share of the largest one: 0..1 [n]."""
    p = y_prob.astype(np.float64)
    entropy = -(p * np.log(np.maximum(p, _SMALLEST))).sum(axis=1)
    return np.asarray(entropy / np.log(max(2, y_prob.shape[1])))


def choose_pictures(features: Float32, y_prob: Float32, n: int) -> Ints:
    """Up to n pictures, the one to label first first; the first m of them are the choice of m.

    Args:
        features: what the last layer receives [n_pictures, n_features].
        y_prob: probabilities [n_pictures, n_classes], at the temperature of the answers.
    """
    doubt = measure_doubt(y_prob)
    points = _scale(features)
    weight, n_chosen = np.sqrt(np.maximum(doubt, _LEAST_DOUBT)), min(n, len(doubt))
    distance = np.ones(len(doubt))  # squared, from the nearest of those chosen
    chosen: list[int] = []
    for _ in range(n_chosen):
        order = np.lexsort((-np.arange(len(doubt)), doubt, distance * weight))
        chosen.append(int(order[-1]))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        distance[chosen], doubt[chosen] = 0.0, -1.0
    return np.array(chosen, np.int64)


def _scale(features: Float32) -> Float64:
    """Features at length 1; pictures of length 0 stay where they are."""
    points = features.astype(np.float64)
    length = np.sqrt((points**2).sum(axis=1, keepdims=True))
    return np.asarray(points / np.where(length > 0, length, 1))
