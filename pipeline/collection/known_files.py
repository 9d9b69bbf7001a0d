"""Files whose bytes, or what was computed of them, are known from an earlier run: they cost next to nothing.

A result is found by the sha256 of a file's bytes and by all that computes it. That sha256 is found by the
file's path, size, number and times (of a member: by its archive's, and its place), so a known file is not
even read. `DARKROOM_TRUST_MTIME=0` reads every file. Outputs are the same with and without: `map_files` gives
what the function gives.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from pipeline.collection.result_store import ResultStore, Shelf
from pipeline.errors import ParamsError
from pipeline.sources import PutOff, Recall, Record, Source
from pipeline.workers import is_on_cluster, ordered_map

TRUST_VARIABLE = "DARKROOM_TRUST_MTIME"
_CHUNK_BYTES, _CHUNK_ITEMS = 4 << 20, 64
_ID_CHARACTERS = 64


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
R = TypeVar("R", bound=_HasId)


class Book(Protocol[R]):
    """What is known of files by one computation."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known: then no file is looked up."""

    def find(self, record: Record, image_id: str) -> R | None:
        """What is known of the file of a record, whose sha256 is given."""

    def keep(self, record: Record, result: R) -> object:
        """Keep what was computed, if it is a fact about the file and not of the moment."""


class KnownFiles:
    """The store of results in `folder`, and the sha256 of files by their stamps; a context manager.

    Args:
        folder: None: nothing is known or kept.

    Raises:
        ParamsError: an environment variable has a value that is not allowed.
    """

    def __init__(self, folder: Path | None) -> None:
        trusted = os.environ.get(TRUST_VARIABLE) or "1"
        if trusted not in ("0", "1"):
            raise ParamsError(f"{TRUST_VARIABLE} must be 0 or 1, got {trusted!r}; unset it")
        self.store = ResultStore(folder)
        self._is_trusted = trusted == "1"
        self._stamps: Shelf | None = None

    def __enter__(self) -> Self:
        self.store.__enter__()
        self._stamps = self.store.shelf("stamps") if self._is_trusted else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.__exit__(kind, error, trace)

    def recall(self, stamp: str) -> str | None:
        """The sha256 of the file that had this stamp, if it is known and is to be trusted."""
        found = self._stamps.find(stamp) if self._stamps and stamp else None
        return found.hex() if found else None

    def note(self, stamp: str, image_id: str) -> None:
        """Keep the sha256 of the file that has this stamp."""
        if self._stamps and stamp and len(image_id) == _ID_CHARACTERS:
            self._stamps.put(stamp, bytes.fromhex(image_id))


class Task(Generic[T]):
    """What workers do with a record.

    Args:
        function: of an item (its bytes come first), importable by workers.
        to_item: what the function is given for a record.
        idle: an item that costs nothing, with no bytes.
        chunk_items, options: as of `ordered_map`.
    """

    def __init__(
        self,
        function: Callable[[T], Any],
        to_item: Callable[[Record], T],
        idle: T,
        *,
        chunk_items: int = _CHUNK_ITEMS,
        **options: Any,
    ) -> None:
        self.function, self.to_item, self.idle = function, to_item, idle
        self.chunk_items, self.options = chunk_items, options


def count_per_answer(n_bytes: int) -> int:
    """How many items of a task whose results have about so many bytes each make a chunk: 1 to 64."""
    return min(_CHUNK_ITEMS, max(1, _CHUNK_BYTES // n_bytes))


def map_files(
    source: Source, task: Task[Any], book: Book[R], known: KnownFiles
) -> Iterator[tuple[Record, R]]:
    """Each record of a source, without its bytes, with its result: known, or else computed by workers.

    Raises:
        SourceError: the source as a whole is damaged.
        Exception: as `ordered_map`.
    """
    for (record, pairs), result in _do_work(source, task, book, known):
        if record is None:
            yield from pairs
            continue
        known.note(record.stamp, result.id if record.refusal is None else "")
        book.keep(record, result)
        yield record, result


def _do_work(
    source: Source, task: Task[Any], book: Book[R], known: KnownFiles
) -> Iterator[tuple[tuple[Record | None, list[tuple[Record, R]]], R]]:
    """Results of all work: of processes of this machine, or of a cluster, which reads for itself."""
    recall = None if book.is_empty else known.recall
    if is_on_cluster():
        from pipeline.collection.distant_files import map_distant

        work = _list_work(source, task, book, known, PutOff(recall))
        options = {"chunk_items": task.chunk_items, **task.options}
        return map_distant(task.function, work, idle_bytes=_CHUNK_BYTES, **options)
    return ordered_map(
        task.function,
        _list_work(source, task, book, known, recall),
        n_bytes=lambda item: len(item[0]) or _CHUNK_BYTES,  # an idle item goes at once: its ticket is large
        is_idle=lambda item: item is task.idle,
        chunk_items=task.chunk_items,
        **task.options,
    )


def _list_work(
    source: Source, task: Task[Any], book: Book[R], known: KnownFiles, recall: Recall | None
) -> Iterator[tuple[tuple[Record | None, list[tuple[Record, R]]], Any]]:
    """Records to compute, each with its item; and between them those with known results, some at a time.

    The latter take an idle item through the workers, so that no more of them are held than of others.
    """
    pairs: list[tuple[Record, R]] = []
    unknown: set[str] = set()
    for record in source.stream_records(recall):
        image_id = record.id
        if not image_id and not book.is_empty and record.refusal is None and record.unread is None:
            image_id = hashlib.sha256(record.data).hexdigest()
        found = book.find(record, image_id) if image_id else None
        if found is not None:
            pairs.append((replace(record, data=b""), found))
            known.note("" if record.id else record.stamp, image_id)
        elif record.id and record.unread is None:
            unknown.add(record.key)
        else:
            yield (replace(record, data=b""), []), task.to_item(record)
        if len(pairs) >= task.chunk_items:
            yield (None, pairs), task.idle
            pairs = []
    if pairs:
        yield (None, pairs), task.idle
    for record in source.pick_records(unknown) if unknown else ():
        yield (replace(record, data=b""), []), task.to_item(record)
