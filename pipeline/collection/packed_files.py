"""The files of a plan in columns, some 0.1 kB each: as Python objects they take 0.45 kB, for hours."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.collection.file_plan import File
from pipeline.refusals import Refusal

_BATCH_ROWS, _RECENT = 1024, 4096  # files that are Python objects at a time
_FEW = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        ("id", pa.binary()),
        ("key", pa.large_string()),
        ("label", _FEW),
        ("source_split", _FEW),
        ("reason", _FEW),
        ("detail", pa.large_string()),
        ("repairs", pa.list_(pa.string())),
        ("at", pa.int64()),
        ("is_restored", pa.bool_()),
    ]
)


class PackedFiles(Mapping[str, File]):
    """Files by key, in the order of `files`, which is emptied."""

    def __init__(self, files: dict[str, File]) -> None:
        hashes = np.fromiter((_hash(key) for key in files), np.uint64, len(files))
        self._rows = np.argsort(hashes).astype(np.uint32)
        self._hashes = hashes[self._rows]
        batches = list(_pack(files))
        table = pa.Table.from_batches(batches, schema=_SCHEMA).unify_dictionaries()
        batches.clear()
        self._columns = [column.combine_chunks() for column in table.columns]
        self._changed: dict[str, File] = {}
        self._recent: dict[str, File] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return (file.key for file in self.stream())

    def __getitem__(self, key: str) -> File:
        found = self._changed.get(key) or self._recent.get(key)
        if found is None:
            if len(self._recent) >= _RECENT:
                self._recent.clear()
            found = self._recent[key] = self._read(key)
        return found

    def values(self) -> ValuesView[File]:
        """The files, in order; each pass makes them anew."""
        return _Files(self)

    def items(self) -> ItemsView[str, File]:
        """Keys and files, in order."""
        return _Items(self)

    def update(self, changed: Mapping[str, File]) -> None:
        """Put other files in place of those of the same keys."""
        self._changed.update(changed)

    def stream(self) -> Iterator[File]:
        """The files, in order."""
        for start in range(0, len(self), _BATCH_ROWS):
            columns = [column.slice(start, _BATCH_ROWS).to_pylist() for column in self._columns]
            for row in zip(*columns, strict=True):
                file = _unpack(row)
                yield self._changed.get(file.key, file)

    def _read(self, key: str) -> File:
        hashed = np.uint64(_hash(key))
        first, end = (int(np.searchsorted(self._hashes, hashed, side)) for side in ("left", "right"))
        for row in self._rows[first:end].tolist():
            file = _unpack(column[row].as_py() for column in self._columns)
            if file.key == key:
                return file
        raise KeyError(key)


class _Files(ValuesView[File]):
    _mapping: PackedFiles

    def __iter__(self) -> Iterator[File]:
        return self._mapping.stream()


class _Items(ItemsView[str, File]):
    _mapping: PackedFiles

    def __iter__(self) -> Iterator[tuple[str, File]]:
        return ((file.key, file) for file in self._mapping.stream())


def _hash(key: str) -> int:
    return hash(key) & 0xFFFF_FFFF_FFFF_FFFF


def _pack(files: dict[str, File]) -> Iterator[pa.RecordBatch]:
    """All files, which leave `files` as they are packed."""
    keys = list(files)
    for start in range(0, len(keys), _BATCH_ROWS):
        rows = [_describe(files.pop(key)) for key in keys[start : start + _BATCH_ROWS]]
        yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)


def _describe(file: File) -> dict[str, Any]:
    packed = None if file.id is None else bytes.fromhex(file.id)
    return file.to_row() | {"id": packed, "at": file.at, "is_restored": file.is_restored}


def _unpack(row: Iterable[Any]) -> File:
    packed, key, label, source_split, reason, detail, repairs, at, is_restored = row
    refusal = Refusal(reason, detail) if reason else None
    image_id = None if packed is None else packed.hex()
    return File(image_id, key, label, source_split, refusal, tuple(repairs), at, is_restored)
