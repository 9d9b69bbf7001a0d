"""Shards + split -> batches for Keras: uint8 pictures, one-hot classes, weights.

Pictures stay in memory-mapped shards until their batch: indices are shuffled, batches gathered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.shards import Shards
from pipeline.tables import CLEAN, EXTRA, SPLIT, read_table

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Uint8 = npt.NDArray[np.uint8]

EXTRA_MANIFEST = "manifest.parquet"  # in the folder of extra pictures, beside its shards


@dataclass(frozen=True)
class Part:
    """Some pictures of the collection, sorted by id: which they are, where they lie, what they show."""

    ids: tuple[str, ...]
    shard: Ints
    row: Ints
    y: Ints  # class indices

    def __len__(self) -> int:
        return len(self.ids)


class Pictures:
    """Parts of one or more folders of shards as one collection, in the order given, with random access."""

    def __init__(self, *sources: tuple[Path, Part]) -> None:
        self._sources = [(Shards(folder), part) for folder, part in sources]
        self._starts = np.cumsum([0] + [len(part) for _, part in sources])
        self.picture_shape = self._sources[0][0].picture_shape
        self.y: Ints = np.concatenate([part.y for _, part in sources])

    def __len__(self) -> int:
        return len(self.y)

    def gather(self, index: Ints) -> Uint8:
        """Pictures by position: uint8 [n, height, width, channels].

        Raises:
            DataError: the shards do not hold a picture that their manifest names, or one of another shape.
        """
        pictures = np.empty((len(index), *self.picture_shape), np.uint8)
        source = np.searchsorted(self._starts, index, side="right") - 1
        for number in np.unique(source):
            (shards, part), at = self._sources[number], source == number
            local = index[at] - self._starts[number]
            try:
                pictures[at] = shards.gather(part.shard[local], part.row[local])
            except (IndexError, ValueError) as error:
                raise DataError(
                    f"shards and their manifest do not belong together ({error}); run `dvc repro -f clean`"
                ) from None
        return pictures


def read_part(split: str, *, split_path: Path, manifest_path: Path) -> Part:
    """The pictures of one split (train | val | test).

    Raises:
        DataError: a picture of the split is not in the clean manifest.
    """
    rows = read_table(split_path, SPLIT).to_pandas()
    rows = rows[rows["split"] == split].merge(
        read_table(manifest_path, CLEAN).select(["id", "shard", "row"]).to_pandas(), on="id", how="left"
    )
    lost = rows.loc[rows["shard"].isna(), "id"]
    if len(lost):
        raise DataError(
            f"{split_path}: {len(lost)} {split} pictures are not in {manifest_path}, the first is"
            f" {lost.iloc[0]}; run `dvc repro split` to bring the two together"
        )
    return _part(rows.sort_values("id"))


def read_extra(folder: Path) -> Part:
    """The extra training pictures in a folder; none is fine.

    Raises:
        DataError: the folder has no manifest.
    """
    return _part(read_table(folder / EXTRA_MANIFEST, EXTRA).to_pandas())


def class_weights(y: Ints, n_classes: int) -> Floats:
    """A weight a class, inverse to its frequency: n / (n_classes * count), so that the mean over `y` is 1.

    A class that does not occur weighs 0.
    """
    counts = np.bincount(y, minlength=n_classes)
    weights = np.divide(len(y), n_classes * counts, out=np.zeros(n_classes), where=counts > 0)
    return weights.astype(np.float32)


def epoch_order(n: int, *, seed: int, epoch: int) -> Ints:
    """A permutation of 0..n-1 that depends on seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def chunks(n: int, size: int) -> Iterator[Ints]:
    """0..n-1 in runs of at most `size`."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))


def batches(
    pictures: Pictures,
    *,
    n_classes: int,
    batch_size: int,
    weights: Floats | None = None,
    shuffle_seed: int | None = None,
) -> Any:
    """A `keras.utils.PyDataset` of (uint8 pictures, one-hot float32 [batch, n_classes], float32 weights).

    An epoch sees every picture once, in batches of nearly equal size, at most `batch_size`: a last batch
    of one or two pictures would upset batch normalisation.

    Args:
        weights: a weight a class; none: every picture weighs 1.
        shuffle_seed: another order each epoch, from (seed, epoch); none: the order of `pictures`.
    """
    import keras

    per_class = np.ones(n_classes, np.float32) if weights is None else weights
    one_hot = np.eye(n_classes, dtype=np.float32)
    n_batches = -(-len(pictures) // batch_size)

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1, use_multiprocessing=False)
            self.epoch = -1
            self.on_epoch_end()

        def on_epoch_end(self) -> None:
            self.epoch += 1
            n = len(pictures)
            order = (
                np.arange(n) if shuffle_seed is None else epoch_order(n, seed=shuffle_seed, epoch=self.epoch)
            )
            self.parts: Sequence[Ints] = np.array_split(order, n_batches)

        def __len__(self) -> int:
            return n_batches

        def __getitem__(self, number: int) -> tuple[Uint8, Floats, Floats]:
            index = self.parts[number]
            y = pictures.y[index]
            return pictures.gather(index), one_hot[y], per_class[y]

    return Batches()


def _part(rows: Any) -> Part:
    columns = (rows[name].to_numpy(np.int64) for name in ("shard", "row", "class_index"))
    return Part(tuple(rows["id"]), *columns)
