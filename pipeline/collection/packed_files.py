"""The files of a plan in columns, some 0.1 kB each: as Python objects they take 0.45 kB, for hours."""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView

import numpy as np
import pyarrow as pa

from pipeline.collection.file_plan import File
from pipeline.refusals import Refusal

_BATCH_ROWS, _RECENT = 1024, 4096  # files that are Python objects at a time
_ID_BYTES = 32
_Kind = tuple[bool, str, str, str, tuple[str, ...], bool]  # what many files have in common


class PackedFiles(Mapping[str, File]):
    """Files by key, in the order of `files`, which is emptied."""

    def __init__(self, files: dict[str, File]) -> None:
        n = len(files)
        hashes = np.fromiter(map(_hash, files), np.uint64, n)
        self._rows = np.argsort(hashes).astype(np.uint32)
        self._hashes = hashes[self._rows]
        self._ids = np.zeros((n, _ID_BYTES), dtype=np.uint8)
        self._at = np.full(n, -1, dtype=np.int64)
        self._kind = np.zeros(n, dtype=np.int32)
        self._kinds: list[_Kind] = []
        self._details: dict[int, str] = {}  # of those that are refused
        keys = list(files)
        self._keys = pa.concat_arrays(
            pa.array(keys[start : start + _BATCH_ROWS], pa.large_string())
            for start in range(0, max(n, 1), _BATCH_ROWS)
        )
        numbers: dict[_Kind, int] = {}
        for row, key in enumerate(keys):
            self._pack(row, files.pop(key), numbers)
        self._kinds = list(numbers)
        del keys
        pa.default_memory_pool().release_unused()  # what the files took
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
            found = self._recent[key] = self._find(key)
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
            for row, key in enumerate(self._keys[start : start + _BATCH_ROWS].to_pylist(), start):
                yield self._changed.get(key) or self._unpack(row, key)

    def _pack(self, row: int, file: File, numbers: dict[_Kind, int]) -> None:
        has_id = file.id is not None
        kind = (has_id, file.label, file.source_split, file.reason, file.repairs, file.is_restored)
        self._kind[row] = numbers.setdefault(kind, len(numbers))
        self._at[row] = file.at
        if file.id is not None:
            self._ids[row] = np.frombuffer(bytes.fromhex(file.id), np.uint8)
        if file.refusal:
            self._details[row] = file.refusal.detail

    def _find(self, key: str) -> File:
        hashed = np.uint64(_hash(key))
        place = int(self._hashes.searchsorted(hashed))
        while place < len(self) and self._hashes[place] == hashed:
            row = int(self._rows[place])
            if self._keys[row].as_py() == key:
                return self._unpack(row, key)
            place += 1
        raise KeyError(key)

    def _unpack(self, row: int, key: str) -> File:
        has_id, label, source_split, reason, repairs, is_restored = self._kinds[self._kind[row]]
        image_id = self._ids[row].tobytes().hex() if has_id else None
        refusal = Refusal(reason, self._details[row]) if reason else None
        return File(image_id, key, label, source_split, refusal, repairs, int(self._at[row]), is_restored)


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
