"""An ordered map in worker processes, with a bounded window: memory does not grow with the work.

Workers are plain `python -m pipeline.workers` processes that read pickled chunks from a pipe. Unlike
multiprocessing's, they never import the parent's main module (a stage, with all its libraries), so they
start in 0.2 s and hold only what the mapped function needs; and they end when their pipe does, whatever
becomes of the parent. The function must live in an importable module other than `__main__`.
"""

import os
import pickle
import queue
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from pipeline.errors import ParamsError

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

WORKERS_VARIABLE = "DARKROOM_WORKERS"
_MAX_DEFAULT = 8  # one reader feeds no more, and each takes 50 MB
_CHUNK_BYTES = 4 << 20
_CHUNKS_AHEAD = 2  # a worker


def worker_count() -> int:
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
) -> Iterator[tuple[K, R]]:
    """(ticket, function(item)) for each (ticket, item), in their order, a bounded number of chunks ahead.

    Args:
        items: the ticket says whose result it is; it stays in this process.
        n_bytes: the size of an item; a chunk ends at 4 MiB or at `chunk_items` items.
        n_workers: processes; None: see `worker_count`. With 1, everything happens in this process.

    Raises:
        Exception: whatever `function` raised, with the worker's traceback as a note.
        RuntimeError: a worker died.
    """
    n_workers = n_workers or worker_count()
    if n_workers == 1:
        yield from ((ticket, function(item)) for ticket, item in items)
        return
    chunks = _chunks(items, n_bytes, chunk_items)
    threads = ThreadPoolExecutor(n_workers)  # one a worker, to pass chunks and results through its pipes
    workers: list[_Worker] = []
    try:
        workers += [_Worker(function) for _ in range(n_workers)]
        for results in _results(workers, threads, chunks):
            yield from results
    finally:
        for worker in workers:
            worker.kill()
        threads.shutdown(cancel_futures=True)
        for worker in workers:
            worker.close()


def _results(
    workers: list["_Worker"], threads: ThreadPoolExecutor, chunks: Iterator[list[tuple[K, T]]]
) -> Iterator[Iterator[tuple[K, Any]]]:
    """Tickets and results of each chunk, in order."""
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def call(chunk: list[T]) -> list[Any]:
        worker = idle.get()
        try:
            return worker.call(chunk)
        finally:
            idle.put(worker)

    window: deque[tuple[list[K], Future[list[Any]]]] = deque()

    def oldest() -> Iterator[tuple[K, Any]]:
        tickets, answer = window.popleft()
        return zip(tickets, answer.result(), strict=True)

    for chunk in chunks:
        window.append(([ticket for ticket, _ in chunk], threads.submit(call, [item for _, item in chunk])))
        if len(window) > _CHUNKS_AHEAD * len(workers):
            yield oldest()
    while window:
        yield oldest()


def _chunks(
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


class _Worker:
    """One process, and the two pipes to it; one chunk at a time."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-m", "pipeline.workers"]
        # A group of its own: Ctrl+C is for the parent, which then ends its workers.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0
        )
        self._send(function)

    def call(self, chunk: list[Any]) -> list[Any]:
        self._send(chunk)
        try:
            is_done, answer = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, pickle.UnpicklingError):
            raise self._died() from None
        if not is_done:
            raise answer
        results: list[Any] = answer
        return results

    def kill(self) -> None:
        """Stop at once: a worker holds nothing that could be lost."""
        self._process.kill()

    def close(self) -> None:
        """Release the pipes of a worker that is killed and that no thread waits for any more."""
        with suppress(BrokenPipeError), self._process:
            pass

    def _send(self, message: object) -> None:
        stream = self._process.stdin
        try:
            pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)  # type: ignore[arg-type]
            stream.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> RuntimeError:
        code = self._process.wait()
        return RuntimeError(
            f"a worker process ended with {code} (-9: killed, often for want of memory); "
            f"set {WORKERS_VARIABLE}=1 to work in one process"
        )


def _serve() -> None:
    """Answer chunks from stdin on stdout until stdin ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    function = pickle.load(requests)
    # Nothing else may reach the answers; and C libraries (libtiff) print a line for each damaged file.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    while True:
        try:
            chunk = pickle.load(requests)
        except EOFError:
            return
        with suppress(BrokenPipeError):  # the parent is gone; stdin then ends too
            pickle.dump(_answer(function, chunk), answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()


def _answer(function: Callable[[Any], Any], chunk: list[Any]) -> tuple[bool, Any]:
    try:
        return True, [function(item) for item in chunk]
    except Exception as error:  # noqa: BLE001 - a bug in the function belongs to the parent
        error.add_note(traceback.format_exc())
        try:
            pickle.loads(pickle.dumps(error))
        except (TypeError, AttributeError, pickle.PicklingError):
            return False, RuntimeError(f"in a worker: {traceback.format_exc()}")
        return False, error


if __name__ == "__main__":
    _serve()
