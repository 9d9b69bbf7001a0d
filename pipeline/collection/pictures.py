"""Pictures of the collection with their classes: read from the tables, gathered from the shards.

Pixels stay in memory-mapped shards until they are asked for.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.collection.shards import Shards
from pipeline.errors import DataError
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import read_table
from pipeline.tables.split import NAMED, SPLIT

Ints = npt.NDArray[np.int64]
Uint8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

_NAMES = ("group", "duplicate_group", "fold_group")  # fields of Part
EXTRA_MANIFEST = "manifest.parquet"  # in the folder of extra pictures, beside its shards


@dataclass(frozen=True)
class Part:
    """Some pictures of the collection, sorted by id: their ids, their places in the shards, their classes."""

    ids: tuple[str, ...]
    shard: Ints
    row: Ints
    y: Ints  # class indices
    copy: Ints | None = None  # the copy numbers of altered copies
    group: tuple[str, ...] | None = None  # kept together by the split; copies follow their originals
    duplicate_group: tuple[str, ...] | None = None  # near-duplicates; None for copies
    fold_group: tuple[str, ...] | None = None  # what no fold divides; None for copies
    fold: Ints | None = None  # the fold that answers each, from 0; None for copies

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> Sequence[str]:
        """A unique name for each picture: its id, or "<id>/<copy>" for a copy."""
        if self.copy is None:
            return self.ids
        return [f"{id_}/{copy}" for id_, copy in zip(self.ids, self.copy, strict=True)]


class Pictures:
    """Parts of one or more folders of shards as one collection, in the order given, with random access."""

    def __init__(self, *sources: tuple[Path, Part]) -> None:
        self._sources = [(Shards(folder), part) for folder, part in sources]
        self._starts = np.cumsum([0] + [len(part) for _, part in sources])
        self.picture_shape = self._sources[0][0].picture_shape
        self.y: Ints = np.concatenate([part.y for _, part in sources])

    def __len__(self) -> int:
        return len(self.y)

    @property
    def ids(self) -> list[str]:
        """The ids of all pictures; copies have that of their original."""
        return [id_ for _, part in self._sources for id_ in part.ids]

    @cached_property
    def parity(self) -> Bools:
        """Which pictures `Batches` mirrors in even epochs, the others in odd ones: bool [n], by a hash."""
        names = (name for _, part in self._sources for name in part.names)
        return np.array([hashlib.sha256(name.encode()).digest()[0] & 1 for name in names], np.bool_)

    @cached_property
    def groups(self) -> Ints:
        """The number of the group that no fold divides, for each picture: int64 [n].

        A copy has the number of its original. Where groups have names, pictures without one have -1.
        Elsewhere they are groups by themselves.
        """
        parts = [part for _, part in self._sources]
        names = np.array([self._group_of.get(id_, id_) for part in parts for id_ in part.ids], dtype=str)
        numbers = np.unique(names, return_inverse=True)[1]
        return np.where(np.char.startswith(names, NAMED), numbers, -1) if self.has_sources else numbers

    @cached_property
    def has_sources(self) -> bool:
        """Whether groups go by names, such as sources, and not only by what looks alike."""
        return any(group.startswith(NAMED) for group in self._group_of.values())

    @cached_property
    def _group_of(self) -> dict[str, str]:
        """The group of each original picture by its id."""
        return {
            id_: group
            for _, part in self._sources
            if part.copy is None
            for id_, group in zip(part.ids, part.fold_group or part.group or part.ids, strict=True)
        }

    def gather(self, index: Ints) -> Uint8:
        """Pictures by position: uint8 [n, height, width, channels].

        Raises:
            DataError: the shards lack a picture that their manifest names, or hold one of another shape.
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
    clean = read_table(manifest_path, CLEAN_MANIFEST).select(["id", "duplicate_group", "shard", "row"])
    rows = rows[rows["split"] == split].merge(clean.to_pandas(), on="id", how="left")
    lost = rows.loc[rows["shard"].isna(), "id"]
    if len(lost):
        raise DataError(
            f"{split_path}: {len(lost)} {split} pictures are not in {manifest_path}, the first is"
            f" {lost.iloc[0]}; run `dvc repro split` to bring the two together"
        )
    return _build_part(rows.sort_values("id"))


def read_parts(*splits: str, split_path: Path, manifest_path: Path) -> Part:
    """The pictures of several splits as one part, as `read_part` reads each."""
    return join_parts([read_part(one, split_path=split_path, manifest_path=manifest_path) for one in splits])


def join_parts(parts: Sequence[Part]) -> Part:
    """Parts of original pictures as one, sorted by id."""
    ids = [id_ for part in parts for id_ in part.ids]
    order = np.argsort(np.array(ids, dtype=str), kind="stable")
    shard, row, y = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("shard", "row", "y")
    )
    named: dict[str, Any] = {
        field: [name for part in parts for name in (getattr(part, field) or part.ids)] for field in _NAMES
    }
    folds = [part.fold for part in parts if part.fold is not None]
    fold = np.concatenate(folds)[order] if len(folds) == len(parts) else None
    ordered: dict[str, Any] = {field: tuple(names[i] for i in order) for field, names in named.items()}
    return Part(tuple(ids[i] for i in order), shard, row, y, fold=fold, **ordered)


def choose_rows(part: Part, index: Ints) -> Part:
    """Some pictures of a part, in the order of the part."""
    chosen = np.sort(index)
    names = {field: getattr(part, field) for field in _NAMES}
    numbers = {field: getattr(part, field) for field in ("copy", "fold")}
    kept: dict[str, Any] = {field: None if of is None else of[chosen] for field, of in numbers.items()}
    kept |= {field: tuple(of[i] for i in chosen) if of else None for field, of in names.items()}
    ids = tuple(part.ids[i] for i in chosen)
    return Part(ids, part.shard[chosen], part.row[chosen], part.y[chosen], **kept)


def read_keys(ids: Sequence[str], manifest_path: Path) -> list[str]:
    """The keys (paths in the source) of kept pictures, in the order of their ids."""
    clean = read_table(manifest_path, CLEAN_MANIFEST)
    key_of = dict(zip(clean["id"].to_pylist(), clean["key"].to_pylist(), strict=True))
    return [key_of[id_] for id_ in ids]


def read_extra(folder: Path) -> Part:
    """The altered copies in a folder (extra training pictures, or imperfect test ones); there may be none.

    Raises:
        DataError: the folder has no manifest.
    """
    rows = read_table(folder / EXTRA_MANIFEST, EXTRA).to_pandas()
    return replace(_build_part(rows), copy=rows["copy"].to_numpy(np.int64))


def cut_into_runs(n: int, size: int) -> Iterator[Ints]:
    """0..n-1 in runs of at most `size`."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))


def _build_part(rows: Any) -> Part:
    shard, row, y = (rows[name].to_numpy(np.int64) for name in ("shard", "row", "class_index"))
    names: dict[str, Any] = {field: tuple(rows[field]) if field in rows else None for field in _NAMES}
    fold = rows["fold"].to_numpy(np.int64) if "fold" in rows else None
    return Part(tuple(rows["id"]), shard, row, y, fold=fold, **names)
