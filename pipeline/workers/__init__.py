"""An ordered map in worker processes, with a bounded window: memory does not grow with the work.

Workers are plain `python -m pipeline.workers` processes that read pickled chunks from a pipe. Unlike
multiprocessing's, they never import the parent's main module (a stage, with all its libraries). So they start
in 0.2 s and hold only what the mapped function needs. They end when their pipe closes, whatever becomes of
the parent. The function must live in an importable module other than `__main__`.

An item may kill its worker (a decoder that crashes) or take too long. That costs this item alone: the worker
is replaced, and the items of its chunk are done again one at a time. So an item is given up only when it
fails twice, the second time alone in its process. The limit is CPU time, so load does not change the result.
Work that waits ends after 20 times as much time by the clock.

A worker may also be killed from outside, as happens when memory runs out. An item that saw this twice is
tried again after the work in hand, twice, with pauses, and while no other worker lives. If that fails too, it
is given up, but that is no fact about the item: `warn_if_killed` names it.
"""

import logging
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.errors import ParamsError
from pipeline.workers.process import Worker, WorkerDiedError, came_from_outside

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

WORKERS_VARIABLE = "DARKROOM_WORKERS"
_MAX_DEFAULT = 8  # one reader keeps no more of them busy, and each takes 50 MB
_CHUNK_BYTES = 4 << 20
_CHUNKS_AHEAD = 2  # per worker
_PAUSES_ALONE_S: tuple[float, ...] = (
    1.0,
    4.0,
)  # before an item is tried again alone: a lack of memory may be short

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Later:
    """In place of a result: the item is to be tried again, with nothing else running."""

    item: Any


def count_workers() -> int:
    """How many processes to use: `DARKROOM_WORKERS`, or the cores this process may run on, 8 at most.

    Raises:
        ParamsError: the variable is no whole number of 1 or more.
    """
    said = os.environ.get(WORKERS_VARIABLE, "")
    if not said:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, _MAX_DEFAULT)
    if not said.isdecimal() or int(said) < 1:
        raise ParamsError(f"{WORKERS_VARIABLE} must be a whole number of 1 or more, got {said!r}; unset it")
    return int(said)


def ordered_map(
    function: Callable[[T], R],
    items: Iterable[tuple[K, T]],
    *,
    n_bytes: Callable[[T], int],
    chunk_items: int = 64,
    n_workers: int | None = None,
    max_seconds: float | None = None,
    lost: Callable[[T, str], R] | None = None,
) -> Iterator[tuple[K, R]]:
    """(ticket, function(item)) for each (ticket, item), in their order, a bounded number of chunks ahead.

    Args:
        items: the ticket says whose result it is; it stays in this process.
        n_bytes: the size of an item; a chunk ends at 4 MiB or at `chunk_items` items.
        n_workers: processes; None: see `count_workers`.
        max_seconds: of CPU time for an item; None: no limit.
        lost: makes the result of an item that killed its workers, or took too long, from the item and the
            reason in words; None: that is an error.

    Raises:
        Exception: whatever `function` raised, with the worker's traceback as a note.
        WorkersError: a worker could not start.
        WorkerDiedError: a worker died, and there is no `lost`.
    """
    n_workers = n_workers or count_workers()
    chunks = _cut_chunks(items, n_bytes, chunk_items)
    threads = ThreadPoolExecutor(n_workers)  # one per worker, to pass chunks and results through its pipes
    workers: list[Worker] = []
    try:
        for _ in range(n_workers):
            workers.append(Worker(function, max_seconds))
        for results in _stream_results(workers, threads, chunks, lost):
            yield from results
    finally:
        for worker in workers:
            worker.kill()
        threads.shutdown(cancel_futures=True)
        for worker in workers:
            worker.close()


def warn_if_killed(details: Iterable[tuple[str, str]], stage: str) -> None:
    """Name the files that were given up for a reason outside them, if there are any.

    Args:
        details: name and `why` (as `lost` was told it) of files.
        stage: the one that tries them again.
    """
    killed = [(name, why) for name, why in details if came_from_outside(why)]
    if killed:
        _log.warning(
            "%d files could not be read for a reason that may lie outside them, also with nothing else "
            "running, such as %s: %s; free memory, and `dvc repro -f %s` tries again",
            *(len(killed), *killed[0], stage),
        )


def _stream_results(
    workers: list[Worker],
    threads: ThreadPoolExecutor,
    chunks: Iterator[list[tuple[K, T]]],
    lost: Callable[[T, str], Any] | None,
) -> Iterator[Iterator[tuple[K, Any]]]:
    """Tickets and results of each chunk, in order."""
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def call(chunk: list[T]) -> list[Any]:
        worker = idle.get()
        try:
            return _finish_chunk(worker, chunk, lost)
        finally:
            idle.put(worker)

    window: deque[tuple[list[K], Future[list[Any]]]] = deque()

    def oldest() -> Iterator[tuple[K, Any]]:
        tickets, answer = window.popleft()
        results = answer.result()
        if any(isinstance(result, _Later) for result in results):
            wait([later for _, later in window])
            for worker in workers:
                worker.stop()
            results = [
                _try_alone(workers[0], one, lost) if isinstance(one, _Later) else one for one in results
            ]
        return zip(tickets, results, strict=True)

    for chunk in chunks:
        window.append(([ticket for ticket, _ in chunk], threads.submit(call, [item for _, item in chunk])))
        if len(window) > _CHUNKS_AHEAD * len(workers):
            yield oldest()
    while window:
        yield oldest()


def _finish_chunk(worker: Worker, chunk: list[T], lost: Callable[[T, str], Any] | None) -> list[Any]:
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
            results.append(_Later(item) if death.is_from_outside else _give_up(item, death, lost))
    return results


def _try_alone(worker: Worker, later: _Later, lost: Callable[[T, str], Any] | None) -> Any:
    """The result of an item whose worker was killed from outside; the other workers must not run."""
    _log.info("a worker process was killed: what it did is tried again, with nothing else running")
    for pause_s in _PAUSES_ALONE_S:
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


def _cut_chunks(
    items: Iterable[tuple[K, T]], n_bytes: Callable[[T], int], chunk_items: int
) -> Iterator[list[tuple[K, T]]]:
    chunk: list[tuple[K, T]] = []
    size = 0
    for ticket, item in items:
        chunk.append((ticket, item))
        size += n_bytes(item)
        if len(chunk) >= chunk_items or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
