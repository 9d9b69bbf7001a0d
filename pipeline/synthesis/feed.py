"""The pictures of a class as batches for the generator, altered so that a few of them say more.

The generator is told how each picture was altered, and later draws pictures that are not. So alterations do
not leak into what it draws (Karras et al. 2022, arXiv:2206.00364, appendix F.2).
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Ints, Pictures
from pipeline.synthesis.network import N_ALTERATIONS

Float32 = npt.NDArray[np.float32]
Uint8 = npt.NDArray[np.uint8]

BATCH_SIZE = 64
_MIN_BATCHES = 64  # an epoch of few pictures shows them several times
_MAX_SHIFT = 8  # a picture moves by up to 1 / 8 of its side
_P_MIRRORED, _P_MOVED, _P_LIT = 0.5, 0.5, 0.5
_MAX_LIGHT = 0.2  # of full scale


class AlteredBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of ({"pictures": uint8, "alterations": float32}, nothing): what FlowModel learns from.

    An epoch shows every picture, in an order from (seed, epoch), and as often as it takes for 64 batches.

    Args:
        first_epoch: from 0, the epoch to begin with.
    """

    def __init__(self, pictures: Pictures, *, seed: int, first_epoch: int = 0) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._pictures, self._seed = pictures, seed
        self._n_batches = max(-(-len(pictures) // BATCH_SIZE), _MIN_BATCHES)
        self.set_epoch(first_epoch)

    def set_epoch(self, epoch: int) -> None:
        """Set the order of an epoch. Call this before it begins."""
        self._epoch = epoch
        rng = np.random.default_rng([self._seed, epoch])
        n, n_shown = len(self._pictures), self._n_batches * BATCH_SIZE
        order = np.concatenate([rng.permutation(n) for _ in range(-(-n_shown // n))])
        self._order: Ints = order[:n_shown].reshape(self._n_batches, BATCH_SIZE)

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, number: int) -> tuple[dict[str, npt.NDArray[Any]], Float32]:
        pictures = self._pictures.gather(self._order[number])
        altered, told = alter(pictures, np.random.default_rng([self._seed, self._epoch, number]))
        return {"pictures": altered, "alterations": told}, np.zeros((BATCH_SIZE, 1), np.float32)


def alter(pictures: Uint8, rng: np.random.Generator) -> tuple[Uint8, Float32]:
    """Pictures [n, h, w, c], some mirrored, some moved, some lighter or darker; and what was done [n, 4].

    What a moved picture uncovers shows its mirror image.
    """
    n, height, width = pictures.shape[:3]
    told = np.zeros((n, N_ALTERATIONS), np.float32)
    told[:, 0] = rng.random(n) < _P_MIRRORED
    told[:, 1:3] = rng.uniform(-1, 1, (n, 2)) * (rng.random((n, 1)) < _P_MOVED)
    told[:, 3] = rng.uniform(-1, 1, n) * (rng.random(n) < _P_LIT)
    altered = np.where(told[:, 0, None, None, None] > 0, pictures[:, :, ::-1], pictures)
    moved = [
        _reflect(np.arange(side) + np.rint(told[:, [axis]] * side / _MAX_SHIFT).astype(int), side)
        for axis, side in ((1, height), (2, width))
    ]
    altered = altered[np.arange(n)[:, None, None], moved[0][:, :, None], moved[1][:, None, :]]
    light = told[:, 3, None, None, None] * 255 * _MAX_LIGHT
    return np.clip(np.rint(altered + light), 0, 255).astype(np.uint8), told


def _reflect(index: Ints, side: int) -> Ints:
    """Positions outside of 0..side-1 as those of a mirror image beside it."""
    index = np.abs(index)
    return np.where(index >= side, 2 * side - 2 - index, index)
