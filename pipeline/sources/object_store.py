"""The objects below a prefix of an object store, read as a folder is.

Objects are fetched some at a time, by threads, and given in the order of their names.
What is in memory stays within _AHEAD_BYTES, or one object.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any

from pipeline.errors import SourceError, one_line
from pipeline.refusals import Refusal
from pipeline.sources.containers import Container, Content, Entry, escape_name
from pipeline.sources.urls import Url, translate_store

_N_THREADS = 16
_AHEAD_BYTES = 64 << 20


@dataclass(frozen=True)
class Prefix(Container):
    """All objects below a prefix; an entry's handle is its name in the store, and the mark of its bytes."""

    where: Url
    can_travel = True

    def take(self, entries: Sequence[Entry]) -> "Prefix":
        """A container of some entries alone, to be pickled and read by any machine that reaches the store."""
        return Prefix(self.where, entries)

    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        with translate_store(self.where):
            files = self.where.connect()
        waiting: deque[tuple[Entry, Future[Content]]] = deque()
        n_bytes = 0
        with ThreadPoolExecutor(_N_THREADS) as pool:
            try:
                for entry in entries:
                    while waiting and (
                        len(waiting) > 2 * _N_THREADS or n_bytes + entry.n_bytes > _AHEAD_BYTES
                    ):
                        done, content = waiting.popleft()
                        n_bytes -= done.n_bytes
                        yield content.result()
                    waiting.append((entry, pool.submit(self._fetch, files, entry)))
                    n_bytes += entry.n_bytes
                while waiting:
                    yield waiting.popleft()[1].result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, files: Any, entry: Entry) -> Content:
        """One object; if it alone cannot be had, the reason.

        Raises:
            SourceError: nothing else can be had, either: the store is away, or lets us in no more.
        """
        path = self._name(entry)
        with translate_store(self.where):
            try:
                data = files.cat_file(path)
                stamp = self.stamp(entry) if self._is_same(files, entry, data) else ""
            except FileNotFoundError:
                return Content(entry, b"", Refusal("unreadable", "it is not in the store any more"))
            except PermissionError as error:
                files.ls(self.where.path, detail=False)  # raises where all is closed
                return Content(entry, b"", Refusal("unreadable", one_line(error)))
            return Content(entry, data, stamp=stamp)

    def _is_same(self, files: Any, entry: Entry, data: bytes) -> bool:
        """Whether these are the bytes that were listed: by their md5, the mark of most, or by asking."""
        mark = entry.handle[1]
        if not mark or len(data) != entry.n_bytes:
            return False
        if hashlib.md5(data, usedforsecurity=False).hexdigest() == mark:
            return True
        return bool(self.where.child(self._name(entry)).stat().mark == mark)

    def _name(self, entry: Entry) -> str:
        return f"{self.where.path}/{entry.handle[0]}"

    def stamp(self, entry: Entry) -> str:
        """URL, size and mark."""
        name, mark = entry.handle
        return f"{self.where}/{name}\0{entry.n_bytes}\0{mark}" if mark else ""

    def open(self, entry: Entry) -> AbstractContextManager[IO[bytes]]:
        """A binary stream of one object."""
        return self.where.child(self._name(entry)).open()


def list_prefix(place: Url) -> Prefix:
    """All objects below a prefix, by name; an object whose name ends in "/" is an empty folder.

    Raises:
        SourceError: there is none, or the store cannot be asked.
    """
    entries: list[Entry] = []
    folders: set[str] = set()
    for name, status in place.find().items():
        parts = name.split("/")
        folders.update("/".join(parts[:n]) for n in range(1, len(parts)))
        if not name.endswith("/"):
            entries.append(Entry(escape_name(name), status.st_size, (name, status.mark)))
    if not entries:
        raise SourceError(f"the source {place} does not exist, or is empty; set data.source in params.yaml")
    return Prefix(place, entries, frozenset(map(escape_name, folders)))
