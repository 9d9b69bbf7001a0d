"""One worker process, as its parent sees it: started, given work, watched, replaced."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

CLOCK_FACTOR = 20  # seconds by the clock per second of CPU time: load must not decide

_KEPT_BYTES = 32 << 20  # of freed memory that a worker keeps for its next file


class WorkerDiedError(RuntimeError):
    """A worker process ended before it answered; the message says why."""


class Worker:
    """One process, replaced after it died, and the two pipes to it; it takes one chunk at a time."""

    def __init__(self, function: Callable[[Any], Any], max_seconds: float | None) -> None:
        self._task = (function, max_seconds)
        self._max_seconds = max_seconds
        self._lock = threading.Lock()  # a process is not replaced after `kill`
        self._is_over = False
        self._start()

    def call(self, chunk: list[Any]) -> list[Any]:
        """The results of a chunk.

        Raises:
            WorkerDiedError: the process ended; the next call has a new one.
        """
        if self._process.poll() is not None and self._is_ready:
            self._start()
        if not self._is_ready:
            self._wait_until_ready()
        try:
            self._send(chunk)
            is_done, answer = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            raise WorkerDiedError(self._explain()) from None
        if not is_done:
            raise answer
        results: list[Any] = answer
        return results

    def kill(self) -> None:
        """Stop at once and for good: a worker holds nothing that could be lost."""
        with self._lock:
            self._is_over = True
            self._process.kill()

    def close(self) -> None:
        """Release the pipes of a process that has ended and that no thread waits for any more."""
        with suppress(BrokenPipeError), self._process:
            pass

    def _start(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # One process per core is enough: BLAS threads beside it, which wait spinning, made clean 5x slower.
        environment |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # glibc gives arrays of 128 kB back to the system each time, which doubled the time of a fingerprint.
        environment |= dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(_KEPT_BYTES))
        command = [sys.executable, "-m", "pipeline.workers"]
        with self._lock:
            if self._is_over:
                raise WorkerDiedError("the work was given up")
            if hasattr(self, "_process"):
                self.close()
            self._is_ready = False
            # A group of its own: Ctrl+C is for the parent, which then ends its workers.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0
            )
        with suppress(BrokenPipeError):  # `_wait_until_ready` reports it
            self._send(self._task)

    def _wait_until_ready(self) -> None:
        """Raise RuntimeError if the process cannot even start: no item is at fault."""
        try:
            self._is_ready = bool(pickle.load(self._process.stdout))  # type: ignore[arg-type]
        except (EOFError, pickle.UnpicklingError):
            raise RuntimeError(f"a worker process ended with {self._process.wait()} at its start") from None

    def _send(self, message: object) -> None:
        stream = self._process.stdin
        pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)  # type: ignore[arg-type]
        stream.flush()  # type: ignore[union-attr]

    def _explain(self) -> str:
        """What ended the process, in words for an item's `detail`."""
        code, limit = self._process.wait(), self._max_seconds or 0
        if code >= 0:
            return f"reading it ended its process with {code}"
        match signal.Signals(-code):
            case signal.SIGPROF:
                return f"reading it took longer than {limit:g} s of computing time"
            case signal.SIGALRM:
                return f"reading it took longer than {limit * CLOCK_FACTOR:g} s by the clock"
            case signal.SIGKILL:
                return "its process was killed, as happens when memory runs out"
            case other:
                return f"reading it crashed its process ({other.name})"
