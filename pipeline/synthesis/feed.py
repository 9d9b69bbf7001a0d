"""The pictures of a class as batches for the generator: in memory, and at most 64 pixels a side."""

import keras
import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Ints, Pictures, cut_into_runs

Uint8 = npt.NDArray[np.uint8]

MAX_SIDE_PX = 64
_BATCH = 64
_MIN_BATCHES = 32  # an epoch of few pictures shows them several times
_CHUNK = 256


class RealBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (uint8 pictures, nothing): what Adversaries learn from.

    An epoch shows every picture, in an order from (seed, epoch), and as often as it takes for 32 batches.

    Args:
        mirrored: each picture is mirrored left to right at random.
    """

    def __init__(self, pictures: Uint8, *, seed: int, mirrored: bool) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._pictures, self._seed, self._mirrored = pictures, seed, mirrored
        self._n_batches = max(-(-len(pictures) // _BATCH), _MIN_BATCHES)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the order of an epoch. Call this before it begins."""
        rng = np.random.default_rng([self._seed, epoch])
        n, n_shown = len(self._pictures), self._n_batches * _BATCH
        order = np.concatenate([rng.permutation(n) for _ in range(-(-n_shown // n))])
        self._order: Ints = order[:n_shown].reshape(self._n_batches, _BATCH)
        self._turned = rng.random(self._order.shape) < (0.5 if self._mirrored else 0)

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, number: int) -> tuple[Uint8, npt.NDArray[np.float32]]:
        pictures, turned = self._pictures[self._order[number]], self._turned[number]
        pictures[turned] = pictures[turned, :, ::-1]
        return pictures, np.zeros((_BATCH, 1), np.float32)


def shrink(pictures: Pictures) -> Uint8:
    """All pictures, uint8 [n, h, w, c]; larger ones shrunk until no side is above 64 pixels."""
    shape = find_small_shape(pictures.picture_shape)
    small = np.empty((len(pictures), *shape), np.uint8)
    for index in cut_into_runs(len(pictures), _CHUNK):
        small[index] = resize(pictures.gather(index), shape)
    return small


def find_small_shape(picture_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The size at which pictures are learned and made."""
    height, width, channels = picture_shape
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def resize(pictures: Uint8, picture_shape: tuple[int, int, int]) -> Uint8:
    """Pictures of another size, bicubic and antialiased; those of this size unchanged."""
    if pictures.shape[1:] == picture_shape:
        return pictures
    levels = keras.ops.image.resize(
        pictures.astype(np.float32), picture_shape[:2], interpolation="bicubic", antialias=True
    )
    resized: Uint8 = np.clip(np.rint(np.asarray(levels)), 0, 255).astype(np.uint8)
    return resized
