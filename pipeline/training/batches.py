"""Shards + split -> batches for Keras: uint8 pictures, one-hot classes, weights.

Pictures stay in memory-mapped shards until their batch: indices are shuffled, batches gathered.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.collection.shards import Shards
from pipeline.errors import DataError
from pipeline.tables.parquet import CLEAN, EXTRA, SPLIT, read_table

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Uint8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

EXTRA_MANIFEST = "manifest.parquet"  # in the folder of extra pictures, beside its shards


@dataclass(frozen=True)
class Part:
    """Some pictures of the collection, sorted by id: which they are, where they lie, what they show."""

    ids: tuple[str, ...]
    shard: Ints
    row: Ints
    y: Ints  # class indices
    copy: Ints | None = None  # of altered copies: the number of the copy
    group: tuple[str, ...] | None = None  # what the split held together; of copies: with their originals

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> Sequence[str]:
        """What tells the pictures apart: the id, "<id>/<copy>" of a copy."""
        if self.copy is None:
            return self.ids
        return [f"{id_}/{copy}" for id_, copy in zip(self.ids, self.copy, strict=True)]


class Collection(Protocol):
    """What `batches` feeds: things of one shape with random access, such as `Pictures`."""

    @property
    def picture_shape(self) -> tuple[int, ...]: ...

    @property
    def y(self) -> Ints: ...

    @property
    def parity(self) -> Bools: ...

    @property
    def groups(self) -> Ints: ...

    def __len__(self) -> int: ...

    def gather(self, index: Ints) -> npt.NDArray[Any]: ...


class Pictures:
    """Parts of one or more folders of shards as one collection, in the order given, with random access."""

    def __init__(self, *sources: tuple[Path, Part]) -> None:
        self._sources = [(Shards(folder), part) for folder, part in sources]
        self._starts = np.cumsum([0] + [len(part) for _, part in sources])
        self.picture_shape = self._sources[0][0].picture_shape
        self.y: Ints = np.concatenate([part.y for _, part in sources])

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def parity(self) -> Bools:
        """Which pictures `batches` mirrors in even epochs, and not in odd ones: by a hash of id and copy."""
        names = (name for _, part in self._sources for name in part.names)
        return np.array([hashlib.sha256(name.encode()).digest()[0] & 1 for name in names], np.bool_)

    @cached_property
    def groups(self) -> Ints:
        """Which pictures the split held together, as numbers; a picture of no group is one by itself."""
        parts = [part for _, part in self._sources]
        group_of = {
            id_: group
            for part in parts
            for id_, group in zip(part.ids, part.group or part.ids, strict=True)
            if part.copy is None
        }
        names = np.array([group_of.get(id_, id_) for part in parts for id_ in part.ids])
        return np.unique(names, return_inverse=True)[1]

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
    """The altered copies in a folder (extra training pictures, or imperfect test pictures); none is fine.

    Raises:
        DataError: the folder has no manifest.
    """
    rows = read_table(folder / EXTRA_MANIFEST, EXTRA).to_pandas()
    return replace(_part(rows), copy=rows["copy"].to_numpy(np.int64))


def picture_weights(pictures: Collection, *, by_class: bool, by_group: bool) -> Floats:
    """A weight a picture, float32 [n], with mean 1.

    Args:
        by_class: all classes that occur weigh the same in sum, otherwise each as much as it has pictures.
        by_group: the groups within a class weigh the same in sum: a small source as much as a large one.
    """
    y = pictures.y
    cells = np.stack([y, pictures.groups if by_group else np.zeros_like(y)])
    (classes, _), cell, size = np.unique(cells, axis=1, return_inverse=True, return_counts=True)
    _, class_of, n_cells = np.unique(classes, return_inverse=True, return_counts=True)
    of_class = np.bincount(class_of, weights=size)
    total = np.full(len(n_cells), len(y) / max(len(n_cells), 1)) if by_class else of_class
    weights = total[class_of] / (n_cells[class_of] * size)
    return weights[cell].astype(np.float32)


def epoch_order(n: int, *, seed: int, epoch: int) -> Ints:
    """A permutation of 0..n-1 that depends on seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def chunks(n: int, size: int) -> Iterator[Ints]:
    """0..n-1 in runs of at most `size`."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))


def batches(
    pictures: Collection,
    *,
    n_classes: int,
    batch_size: int,
    weights: Floats | None = None,
    shuffle_seed: int | None = None,
    mirrored: bool = False,
    first_epoch: int = 0,
    multiple_of: int = 1,
) -> Any:
    """A `keras.utils.PyDataset` of ({"pictures": uint8, "labels"}, labels, float32 weights) for a trainee.

    Labels are one-hot, float32 [batch, n_classes].

    An epoch sees every picture once, in batches of nearly equal size, at most `batch_size`: a last batch
    of one or two pictures would upset batch normalisation.

    Args:
        weights: a weight a picture, float32 [n]; none: every picture weighs 1.
        shuffle_seed: another order each epoch, from (seed, epoch); none: the order of `pictures`.
        mirrored: every other epoch, a picture is mirrored left to right: half of them in even epochs, half in
            odd ones (Jordan 2024, arXiv:2404.00498). Two epochs show both sides, where chance may show one.
        first_epoch: from 0, the one to begin with; its batches are those it would have had in its turn.
        multiple_of: what the size of each batch must be, for devices that share it: an epoch's first pictures
            come once more at its end, at most `multiple_of` - 1.
    """
    import keras

    weight_of = np.ones(len(pictures), np.float32) if weights is None else weights
    one_hot = np.eye(n_classes, dtype=np.float32)
    n_batches = -(-len(pictures) // max(batch_size // multiple_of * multiple_of, multiple_of))

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1, use_multiprocessing=False)
            self.set_epoch(first_epoch)

        def set_epoch(self, epoch: int) -> None:
            """To be called before an epoch begins; Keras' own hooks come once too often."""
            self.epoch, self.parts = epoch, self.parts_of(epoch)

        def parts_of(self, epoch: int) -> Sequence[Ints]:
            n = len(pictures)
            order = np.arange(n) if shuffle_seed is None else epoch_order(n, seed=shuffle_seed, epoch=epoch)
            shared = np.concatenate([order, order[: -n % multiple_of]]).reshape(-1, multiple_of)
            return [part.ravel() for part in np.array_split(shared, n_batches)]

        def __len__(self) -> int:
            return n_batches

        def __getitem__(self, number: int) -> tuple[dict[str, npt.NDArray[Any]], Floats, Floats]:
            index = self.parts[number]
            gathered, y = pictures.gather(index), pictures.y[index]
            if mirrored:
                turned = pictures.parity[index] != (self.epoch % 2 == 1)
                gathered[turned] = gathered[turned, :, ::-1]
            labels = one_hot[y]
            return {"pictures": gathered, "labels": labels}, labels, weight_of[index]

    return Batches()


def _part(rows: Any) -> Part:
    shard, row, y = (rows[name].to_numpy(np.int64) for name in ("shard", "row", "class_index"))
    return Part(tuple(rows["id"]), shard, row, y, group=tuple(rows["group"]) if "group" in rows else None)
