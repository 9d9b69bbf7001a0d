"""The last search for near-duplicates, in the store of results: what it covered, and the forest it found."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.collection.near_links import Ints, Links
from pipeline.collection.near_search import ID_BYTES, PRINT_BYTES, Bytes, pack_words
from pipeline.collection.result_store import ResultStore

_HEAD = struct.Struct("<QQ")  # nodes, links; then the ids of the nodes, and the columns of the links
_CODE = ("near_duplicates.py", "near_links.py", "near_search.py", "known_links.py")
_TYPES = ("<u4", "<u4", "<u2", "<u2")  # of the columns


@dataclass(frozen=True)
class Forest:
    """What a search covered and found.

    Attributes:
        ids: uint8 [n, ID_BYTES]: each fingerprint and a hash of its views, in the order of fingerprints.
        links: the forest, between positions in `ids`.
    """

    ids: Bytes
    links: Links

    @property
    def prints(self) -> Bytes:
        """The fingerprints, uint8 [n, 32], sorted."""
        return self.ids[:, :PRINT_BYTES]


class KnownLinks:
    """Where the last search of a project is kept. It is replaced by each that differs.

    Args:
        store: an open store.
        project: whose search it is: many projects may share a store.
    """

    def __init__(self, store: ResultStore, project: str) -> None:
        self._store, self._project = store, project
        self._found = b""

    def find(self, limits: Sequence[int], keys: Sequence[Ints]) -> Forest | None:
        """The last search with these limits and keys, by this code; None if there is none that is sound."""
        body = self._store.shelf(*_describe(limits, keys)).find(self._project)
        self._found = hashlib.sha256(body or b"").digest()
        return _read_forest(body) if body else None

    def keep(self, limits: Sequence[int], keys: Sequence[Ints], forest: Forest) -> None:
        """Keep a search in place of the last one."""
        body = _write_forest(forest)
        if hashlib.sha256(body).digest() != self._found:
            self._store.shelf(*_describe(limits, keys)).replace(self._project, body)


def _describe(limits: Sequence[int], keys: Sequence[Ints]) -> tuple[object, ...]:
    """All that decides which pairs are found, but the fingerprints."""
    code = [hashlib.sha256((Path(__file__).parent / name).read_bytes()).hexdigest() for name in _CODE]
    return "links", code, list(limits), [key.tolist() for key in keys]


def _write_forest(forest: Forest) -> bytes:
    columns = zip(forest.links.list_columns(), _TYPES, strict=True)
    parts = [column.astype(kind).tobytes() for column, kind in columns]
    return b"".join((_HEAD.pack(len(forest.ids), len(forest.links)), forest.ids.data, *parts))


def _read_forest(body: bytes) -> Forest | None:
    """A forest as it was written; None if the bytes are none."""
    if len(body) < _HEAD.size:
        return None
    n, n_links = _HEAD.unpack_from(body)
    if len(body) != _HEAD.size + n * ID_BYTES + n_links * sum(np.dtype(kind).itemsize for kind in _TYPES):
        return None
    at = _HEAD.size + n * ID_BYTES
    ids = np.frombuffer(body, np.uint8, n * ID_BYTES, _HEAD.size).reshape(n, ID_BYTES)
    columns = []
    for kind in _TYPES:
        columns.append(np.frombuffer(body, kind, n_links, at).astype(np.int64))
        at += columns[-1].size * np.dtype(kind).itemsize
    links = Links(*columns)
    is_sorted = bool((np.diff(np.lexsort((*pack_words(ids[:, :PRINT_BYTES]),))) == 1).all())
    is_sound = is_sorted and n_links < max(n, 1) and all((end < n).all() for end in (links.a, links.b))
    return Forest(ids, links) if is_sound else None
