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

`ordered_map` has its workers for one call. A `Crew` keeps them between calls, as a served model needs them.
"""

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar

from pipeline.errors import ParamsError
from pipeline.workers.chunks import Later, cut_chunks, finish_chunk, try_alone
from pipeline.workers.engine import is_on_cluster
from pipeline.workers.process import Worker, came_from_outside

__all__ = ["Crew", "count_workers", "is_on_cluster", "ordered_map", "warn_if_killed"]

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

WORKERS_VARIABLE = "DARKROOM_WORKERS"
_MAX_DEFAULT = 8  # one reader keeps no more of them busy, and each takes 50 MB
_CHUNKS_AHEAD = 2  # per worker

_log = logging.getLogger(__name__)


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
    is_idle: Callable[[T], bool] | None = None,
) -> Iterator[tuple[K, R]]:
    """(ticket, function(item)) for each (ticket, item), in their order, a bounded number of chunks ahead.

    Args:
        items: the ticket says whose result it is; it stays in this process.
        n_bytes: the size of an item; a chunk ends at 4 MiB or at `chunk_items` items.
        n_workers: processes; None: see `count_workers`.
        max_seconds: of CPU time for an item; None: no limit.
        lost: makes the result of an item that killed its workers, or took too long, from the item and the
            reason in words; None: that is an error.
        is_idle: whether an item has no work in it. No process is started for such items alone, and what they
            give means nothing.

    Raises:
        Exception: whatever `function` raised, with the worker's traceback as a note.
        WorkersError: a worker could not start.
        WorkerDiedError: a worker died, and there is no `lost`.
    """
    with Crew(function, n_workers=n_workers, max_seconds=max_seconds, lost=lost, is_idle=is_idle) as crew:
        yield from crew.map(items, n_bytes=n_bytes, chunk_items=chunk_items)


class _Hands:
    """The workers of one process, and a thread for each to pass chunks and results through its pipes."""

    def __init__(self, n_workers: int) -> None:
        self.lock = threading.Lock()  # one call at a time
        self.threads = ThreadPoolExecutor(n_workers)
        self.workers: list[Worker] = []
        self.idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()


class Crew(Generic[T, R]):
    """Worker processes for one function, kept between calls; a process starts when there is work for it.

    Threads may share a crew: they take turns. A process that is forked from this one starts workers of its
    own. The workers end with this process, however it ends.

    Args:
        n_workers, max_seconds, lost, is_idle: as of `ordered_map`.
    """

    def __init__(
        self,
        function: Callable[[T], R],
        *,
        n_workers: int | None = None,
        max_seconds: float | None = None,
        lost: Callable[[T, str], R] | None = None,
        is_idle: Callable[[T], bool] | None = None,
    ) -> None:
        self._task = (function, max_seconds)
        self._lost, self._is_idle = lost, is_idle or (lambda _: False)
        self._n_workers = n_workers or count_workers()
        self._hands: dict[int, _Hands] = {}  # by process: a fork finds its parent's, and leaves them alone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()

    def start(self) -> None:
        """Start a first worker, which gets ready while this process does something else."""
        hands = self._own_hands()
        with hands.lock:
            self._hire(hands, 1)

    def map(
        self, items: Iterable[tuple[K, T]], *, n_bytes: Callable[[T], int], chunk_items: int = 64
    ) -> Generator[tuple[K, R], None, None]:
        """As `ordered_map`. Another thread that calls this waits until the iterator is used up or closed."""
        chunks = cut_chunks(items, n_bytes, chunk_items)
        hands = self._own_hands()
        with hands.lock:
            for results in self._stream_results(hands, chunks):
                yield from results

    def answer(self, items: Sequence[T], *, n_bytes: Callable[[T], int]) -> list[R]:
        """function(item) for each item, with the work divided among all workers."""
        each = -(-len(items) // self._n_workers)
        return [result for _, result in self.map(enumerate(items), n_bytes=n_bytes, chunk_items=each)]

    def close(self) -> None:
        """End the workers of this process; the next call starts new ones."""
        hands = self._hands.pop(os.getpid(), None)
        if hands is None:
            return
        for worker in hands.workers:
            worker.kill()
        hands.threads.shutdown(cancel_futures=True)
        for worker in hands.workers:
            worker.close()

    def _own_hands(self) -> _Hands:
        number = os.getpid()
        return self._hands.get(number) or self._hands.setdefault(number, _Hands(self._n_workers))

    def _hire(self, hands: _Hands, n_busy: int) -> None:
        """Start one more worker if so many have work, and there may be more."""
        if len(hands.workers) < min(n_busy, self._n_workers):
            hands.workers.append(Worker(*self._task))
            hands.idle.put(hands.workers[-1])

    def _stream_results(
        self, hands: _Hands, chunks: Iterator[list[tuple[K, T]]]
    ) -> Iterator[Iterator[tuple[K, Any]]]:
        """Tickets and results of each chunk, in order."""

        def call(chunk: list[T]) -> list[Any]:
            worker = hands.idle.get()
            try:
                return finish_chunk(worker, chunk, self._lost)
            finally:
                hands.idle.put(worker)

        window: deque[tuple[list[K], Future[list[Any]]]] = deque()

        def oldest() -> Iterator[tuple[K, Any]]:
            tickets, answer = window.popleft()
            results = answer.result()
            if any(isinstance(result, Later) for result in results):
                wait([later for _, later in window])
                for worker in hands.workers:
                    worker.stop()
                results = [
                    try_alone(hands.workers[0], one, self._lost) if isinstance(one, Later) else one
                    for one in results
                ]
            return zip(tickets, results, strict=True)

        try:
            for chunk in chunks:
                tickets, work = [ticket for ticket, _ in chunk], [item for _, item in chunk]
                if all(map(self._is_idle, work)):
                    window.append((tickets, _finish([None] * len(work))))
                else:
                    self._hire(hands, 1 + sum(not later.done() for _, later in window))
                    window.append((tickets, hands.threads.submit(call, work)))
                if len(window) > _CHUNKS_AHEAD * self._n_workers:
                    yield oldest()
            while window:
                yield oldest()
        finally:  # whoever closes the iterator early leaves the workers to the next call
            for _, later in window:
                later.cancel()


def _finish(results: list[Any]) -> Future[list[Any]]:
    """What is done already."""
    done: Future[list[Any]] = Future()
    done.set_result(results)
    return done


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
