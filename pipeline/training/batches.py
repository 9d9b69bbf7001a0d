"""Pictures, or their features, as batches for Keras: one-hot classes, weights, a new order each epoch.

Indices are shuffled and batches gathered, so an epoch is never in memory as a whole.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


class Collection(Protocol):
    """What `Batches` serves: items of one shape with random access, such as `Pictures` or `Features`."""

    @property
    def picture_shape(self) -> tuple[int, ...]:
        """The shape of one item: (height, width, channels), or (n_features,)."""

    @property
    def y(self) -> Ints:
        """The class index of each item [n]."""

    @property
    def parity(self) -> Bools:
        """Which items are mirrored in even epochs, the others in odd ones: bool [n]."""

    @property
    def groups(self) -> Ints:
        """The number of each item's group [n], for `weigh_pictures`."""

    @property
    def has_sources(self) -> bool:
        """Whether the groups go by names, such as sources."""

    def __len__(self) -> int: ...

    def gather(self, index: Ints) -> npt.NDArray[Any]:
        """Items by position: [len(index), *picture_shape]."""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of ({"pictures": uint8, "labels"}, labels, float32 weights), as `TrainingModel` takes them.

    Labels are one-hot, float32 [batch, n_classes]. Of `Features`, the "pictures" are float32 features.

    An epoch sees every picture once. Its batches are of nearly equal size, at most `batch_size`, because a
    last batch of one or two pictures would upset batch normalisation.

    Args:
        weights: one weight per picture, float32 [n]; None: every picture weighs 1.
        shuffle_seed: a new order each epoch, from (seed, epoch); None: the order of `pictures`.
        mirrored: each picture is mirrored left to right in every other epoch: half of them in even epochs,
            half in odd ones (Jordan 2024, arXiv:2404.00498). Two epochs then show both sides; by chance they
            may show one.
        first_epoch: from 0, the epoch to begin with; its batches are the same as if earlier epochs had run.
        multiple_of: what divides the size of each batch, for devices that share it. An epoch's first pictures
            come once more at its end, at most `multiple_of` - 1 of them.
        part: (i, n): of n equal parts of each batch the one that this host gives, from 0.
    """

    def __init__(
        self,
        pictures: Collection,
        *,
        n_classes: int,
        batch_size: int,
        weights: Floats | None = None,
        shuffle_seed: int | None = None,
        mirrored: bool = False,
        first_epoch: int = 0,
        multiple_of: int = 1,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._pictures, self._shuffle_seed, self._mirrored = pictures, shuffle_seed, mirrored
        self._weight_of = np.ones(len(pictures), np.float32) if weights is None else weights
        self._one_hot = np.eye(n_classes, dtype=np.float32)
        self._multiple_of, self._part = multiple_of, part
        largest = max(batch_size // multiple_of * multiple_of, multiple_of)
        self._n_batches = -(-len(pictures) // largest)
        self.set_epoch(first_epoch)

    def set_epoch(self, epoch: int) -> None:
        """Set the order of an epoch. Call this before it begins: Keras' own hooks come once too often."""
        self._epoch, self._indices = epoch, self._cut(epoch)

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, number: int) -> tuple[dict[str, npt.NDArray[Any]], Floats, Floats]:
        mine, n_parts = self._part
        index = self._indices[number].reshape(n_parts, -1)[mine]
        gathered, y = self._pictures.gather(index), self._pictures.y[index]
        if self._mirrored:
            turned = self._pictures.parity[index] != (self._epoch % 2 == 1)
            gathered[turned] = gathered[turned, :, ::-1]
        labels = self._one_hot[y]
        return {"pictures": gathered, "labels": labels}, labels, self._weight_of[index]

    def _cut(self, epoch: int) -> Sequence[Ints]:
        """The indices of each batch of an epoch."""
        n, seed = len(self._pictures), self._shuffle_seed
        order = np.arange(n) if seed is None else shuffle_epoch(n, seed=seed, epoch=epoch)
        shared = np.concatenate([order, order[: -n % self._multiple_of]]).reshape(-1, self._multiple_of)
        return [part.ravel() for part in np.array_split(shared, self._n_batches)]


def weigh_pictures(pictures: Collection, *, by_class: bool, by_group: bool) -> Floats:
    """One weight per picture, float32 [n], with mean 1.

    Args:
        by_class: all classes that occur have the same total weight; otherwise it is their number of pictures.
        by_group: the groups within a class have the same total weight: a small source as much as a large one.
            Pictures without a group (-1) weigh as much as pictures do on average: one is no source.
    """
    y = pictures.y
    cells = np.stack([y, pictures.groups if by_group else np.zeros_like(y)])
    (classes, groups), cell, size = np.unique(cells, axis=1, return_inverse=True, return_counts=True)
    n_cells, class_of = np.unique(classes, return_inverse=True)
    of_class = np.bincount(class_of, weights=size)
    total = np.full(len(n_cells), len(y) / max(len(n_cells), 1)) if by_class else of_class
    is_group = groups >= 0
    n_alone = np.bincount(class_of, weights=size * ~is_group, minlength=len(n_cells))
    n_groups = np.bincount(class_of, weights=is_group, minlength=len(n_cells))
    a_picture = total / np.maximum(of_class, 1)
    a_group = a_picture * (of_class - n_alone) / np.maximum(n_groups, 1)
    weights = np.where(is_group, a_group[class_of] / size, a_picture[class_of])
    return weights[cell].astype(np.float32)


def shuffle_epoch(n: int, *, seed: int, epoch: int) -> Ints:
    """A permutation of 0..n-1 that depends on seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)
