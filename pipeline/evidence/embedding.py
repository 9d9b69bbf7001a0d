"""Pictures as points of a plane: neighbours are alike, to the network or as pixels.

Principal components keep large distances; t-SNE (van der Maaten and Hinton 2008) keeps neighbours. Both run
on one thread: sums depend on the number of threads.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating[Any]]
Uint8 = npt.NDArray[np.uint8]

_N_COMPONENTS = 50  # that t-SNE begins with, as its authors do
_PERPLEXITY = 30  # the usual number of neighbours; a third of the points where they are few
_LEAST_POINTS = 5  # for t-SNE
_RAW_PX = 32  # the longer side to which raw pictures are averaged


def lay_out(values: Floats, *, seed: int) -> tuple[Floats, Floats | None]:
    """Points [n, d], n at least 1, on a plane: principal components [n, 2], and t-SNE [n, 2].

    t-SNE is None for fewer than five points, or points that all lie in one place.
    """
    import sklearn.decomposition  # imported first: only the threads of loaded libraries can be limited
    import sklearn.manifold
    from threadpoolctl import threadpool_limits

    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    spread = float(np.abs(centred).max(initial=0))
    if not np.isfinite(spread) or spread < np.finfo(np.float32).tiny or len(values) < 2:
        return np.zeros((len(values), 2)), None
    n_components = min(_N_COMPONENTS, *centred.shape)
    with threadpool_limits(limits=1):
        principal = sklearn.decomposition.PCA(
            n_components, svd_solver="randomized", random_state=seed
        ).fit_transform(centred / spread)
        principal = np.pad(principal, ((0, 0), (0, max(0, 2 - n_components))))
        if len(values) < _LEAST_POINTS:
            return principal[:, :2], None
        layout = sklearn.manifold.TSNE(
            perplexity=min(_PERPLEXITY, (len(values) - 1) / 3),
            init=principal[:, :2] / principal[:, 0].std() * 1e-4,
            random_state=seed,
            n_jobs=1,
        ).fit_transform(principal.astype(np.float32))
    return principal[:, :2], layout


def shrink_raw(pictures: Uint8) -> Float32:
    """Pictures [n, height, width, channels] as points [n, d] from 0 to 1, averaged to at most 32 pixels."""
    n, height, width = pictures.shape[:3]
    step = -(-max(height, width) // _RAW_PX)
    starts = [np.arange(0, side, step) for side in (height, width)]
    sums = np.add.reduceat(pictures.astype(np.float32), starts[0], axis=1)
    sums = np.add.reduceat(sums, starts[1], axis=2)
    sizes = [np.diff([*start, side]) for start, side in zip(starts, (height, width), strict=True)]
    area = sizes[0][:, None, None] * sizes[1][:, None]
    return np.asarray(sums / (255 * area), np.float32).reshape(n, -1)
