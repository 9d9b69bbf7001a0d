"""Chunks of items: how they are cut, and how a worker that may die under one does it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.workers.process import Worker, WorkerDiedError

K = TypeVar("K")
T = TypeVar("T")

CHUNK_BYTES = 4 << 20
PAUSES_ALONE_S: tuple[float, ...] = (
    1.0,
    4.0,
)  # before an item is tried again alone: a lack of memory may be short

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Later:
    """In place of a result: the item is to be tried again, with nothing else running."""

    item: Any


def finish_chunk(worker: Worker, chunk: list[T], lost: Callable[[T, str], Any] | None) -> list[Any]:
    """The results of a chunk; if it kills its worker, its items are done one at a time."""
    try:
        return worker.call(chunk)
    except WorkerDiedError as death:
        if lost is None and not death.is_from_outside:
            raise
    results = []
    for item in chunk:
        try:
            results += worker.call([item])
        except WorkerDiedError as death:
            results.append(Later(item) if death.is_from_outside else _give_up(item, death, lost))
    return results


def try_alone(worker: Worker, later: Later, lost: Callable[[T, str], Any] | None) -> Any:
    """The result of an item whose worker was killed from outside; the other workers must not run."""
    _log.info("a worker process was killed: what it did is tried again, with nothing else running")
    for pause_s in PAUSES_ALONE_S:
        time.sleep(pause_s)
        try:
            return worker.call([later.item])[0]
        except WorkerDiedError as death:
            last = death
            if not death.is_from_outside:
                break
    return _give_up(later.item, last, lost)


def _give_up(item: T, death: WorkerDiedError, lost: Callable[[T, str], Any] | None) -> Any:
    if lost is None:
        raise death
    return lost(item, str(death))


def cut_chunks(
    items: Iterable[tuple[K, T]], n_bytes: Callable[[T], int], chunk_items: int
) -> Iterator[list[tuple[K, T]]]:
    """Tickets and items in order; a chunk ends at 4 MiB or at `chunk_items` items."""
    chunk: list[tuple[K, T]] = []
    size = 0
    for ticket, item in items:
        chunk.append((ticket, item))
        size += n_bytes(item)
        if len(chunk) >= chunk_items or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
