"""How far made-up pictures are from real ones, and whether they are copies: plain numbers from features.

The kernel inception distance (Binkowski et al. 2018, arXiv:1801.01401) is the squared maximum mean
discrepancy with a cubic kernel, unbiased: 0 where both kinds of pictures are alike, and it may be below. It
needs no large samples, as the Frechet distance does.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.floating[Any]]
Float64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_SUBSETS, _MAX_SUBSET = 100, 1000
_CHUNK = 256  # pictures whose distances are in memory at a time
_CLOSE = 0.05  # the share of real pictures that are closer to another than this quantile


class Distance(NamedTuple):
    """A kernel inception distance: mean and standard deviation over subsets of so many pictures."""

    mean: float
    deviation: float
    n_subset: int


class Neighbours(NamedTuple):
    """For each of n pictures the nearest one of others: its position, and the distance to it."""

    position: Ints
    distance: Float64


class Copying(NamedTuple):
    """Whether made-up pictures repeat real ones.

    Attributes:
        made: median distance of a made-up picture to its nearest real one.
        real: median distance of a real picture to its nearest other real one.
        share: of made-up pictures that are closer to a real one than 95 % of real pictures are to another.
    """

    made: float
    real: float
    share: float


def compute_kid(made: Features, real: Features, *, seed: int = 0) -> Distance:
    """The distance of made-up to real pictures, by their features [n, d], over random subsets of both.

    Subsets have half of the smaller side: the whole of it would leave the deviation nothing to vary.
    """
    size = max(2, min(len(made) // 2, len(real) // 2, _MAX_SUBSET))
    rng = np.random.default_rng(seed)
    kernel = _Kernels(made, real)
    found = [
        kernel.compute_mmd(
            rng.choice(len(made), size, replace=False), rng.choice(len(real), size, replace=False)
        )
        for _ in range(N_SUBSETS)
    ]
    return Distance(float(np.mean(found)), float(np.std(found)), size)


def compute_kid_of_halves(real: Features, *, seed: int = 0) -> Distance:
    """The same of real against real pictures, halved at random: what "alike" looks like."""
    size = max(2, min(len(real) // 2, _MAX_SUBSET))
    rng = np.random.default_rng(seed)
    kernel = _Kernels(real, real)
    found = []
    for _ in range(N_SUBSETS):
        order = rng.permutation(len(real))
        found.append(kernel.compute_mmd(order[:size], order[size : 2 * size]))
    return Distance(float(np.mean(found)), float(np.std(found)), size)


def find_nearest(of: Features, among: Features, *, itself: Ints | None = None) -> Neighbours:
    """The nearest of other pictures, by Euclidean distance of features.

    Args:
        itself: the position in `among` of each picture of `of`, which does not count; None: they are others.
    """
    of, among = np.asarray(of, np.float64), np.asarray(among, np.float64)
    position, distance = np.zeros(len(of), np.int64), np.zeros(len(of))
    size = (among**2).sum(axis=1)
    for start in range(0, len(of), _CHUNK):
        at = np.arange(start, min(start + _CHUNK, len(of)))
        squares = (of[at] ** 2).sum(axis=1)[:, None] - 2 * of[at] @ among.T + size
        if itself is not None:
            squares[at - start, itself[at]] = np.inf
        position[at] = squares.argmin(axis=1)
        distance[at] = np.sqrt(np.maximum(squares.min(axis=1), 0))
    return Neighbours(position, distance)


def measure_copying(made: Neighbours, real: Neighbours) -> Copying:
    """How near made-up pictures come to real ones, beside how near real ones come to each other."""
    limit = np.quantile(real.distance, _CLOSE)
    of_made, of_real = (float(np.median(one.distance)) for one in (made, real))
    return Copying(of_made, of_real, float((made.distance < limit).mean()))


class _Kernels:
    """k(a, b) = (a b / d + 1)^3 between all pictures, computed once for all subsets."""

    def __init__(self, first: Features, second: Features) -> None:
        self._inner = [_compute_kernel(one, one) for one in (first, second)]
        self._between = _compute_kernel(first, second)

    def compute_mmd(self, first: Ints, second: Ints) -> float:
        """The unbiased squared discrepancy of a subset of each."""
        within = 0.0
        for kernel, chosen in zip(self._inner, (first, second), strict=True):
            part, n = kernel[np.ix_(chosen, chosen)], len(chosen)
            within += float(part.sum() - np.trace(part)) / (n * (n - 1))
        return within - 2 * float(self._between[np.ix_(first, second)].mean())


def _compute_kernel(one: Features, other: Features) -> Float64:
    inner = np.asarray(one, np.float64) @ np.asarray(other, np.float64).T
    kernel: Float64 = (inner / one.shape[1] + 1) ** 3
    return kernel
