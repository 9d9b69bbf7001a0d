"""One worker process, as its parent sees it: started, given work, watched, replaced."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import WorkersError, one_line

ANSWER = b"darkroom"  # how each answer begins
CLOCK_FACTOR = 20  # seconds by the clock per second of CPU time: load must not decide
PAUSES_S: tuple[float, ...] = (0.2, 1.0, 3.0)  # before a process that did not start is started again

_CODE = Path(__file__).parents[2]  # the folder of the package
_KEPT_BYTES = 32 << 20  # of freed memory that a worker keeps for its next file
_LAST_WORDS_S = 2  # for a process to end after it closed its pipe
_BY_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
# What bytes that are no answer may raise.
_GARBLED = (
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ImportError,
    MemoryError,
)
_FROM_OUTSIDE = "its process was"  # how `WorkerDiedError` begins if the item need not be at fault


class WorkerDiedError(RuntimeError):
    """A worker process ended before it answered; the message says why."""

    @property
    def is_from_outside(self) -> bool:
        """Whether the reason may lie outside the item: memory ran out, or someone ended the process."""
        return came_from_outside(str(self))


def came_from_outside(why: str) -> bool:
    """Whether the reason of a WorkerDiedError may lie outside the item."""
    return why.startswith(_FROM_OUTSIDE)


class Worker:
    """One process, replaced after it died, and the two pipes to it; it takes one chunk at a time."""

    def __init__(self, function: Callable[[Any], Any], max_seconds: float | None) -> None:
        self._task = (function, max_seconds)
        self._max_seconds = max_seconds
        self._lock = threading.Lock()  # a process is not replaced after `kill`
        self._is_over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        with suppress(OSError):  # `call` tries again
            self._start()

    def call(self, chunk: list[Any]) -> list[Any]:
        """The results of a chunk.

        Raises:
            WorkerDiedError: the process ended; the next call has a new one.
            WorkersError: no process can be started.
        """
        process = self._make_ready()
        with suppress(BrokenPipeError):  # then there is no answer either
            _send(process, chunk)
        try:
            is_done, answer = _receive(process)
        except (EOFError, *_GARBLED):
            raise WorkerDiedError(self._explain(process)) from None
        if not is_done:
            raise answer
        results: list[Any] = answer
        return results

    def stop(self) -> None:
        """End the process, and release its memory; the next call has a new one."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """Stop at once and for good: a worker holds nothing that could be lost."""
        self._is_over.set()
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Release the pipes of a process that has ended and that no thread waits for any more."""
        if self._process is not None:
            with suppress(BrokenPipeError), self._process:
                pass

    def _make_ready(self) -> "subprocess.Popen[bytes]":
        """A process that waits for work. One that cannot start is started again: no item is at fault."""
        for pause_s in (*PAUSES_S, None):
            try:
                return self._find_ready()
            except OSError as error:
                why = one_line(error)
            except (EOFError, *_GARBLED):
                why = f"it ended with {self._process and _wait_for_end(self._process)} at its start"
            if pause_s is not None:
                self._is_over.wait(pause_s)
        raise WorkersError(
            f"a worker process cannot start: {why}; close other programs or free memory, and set "
            "DARKROOM_WORKERS to fewer processes"
        )

    def _find_ready(self) -> "subprocess.Popen[bytes]":
        process = self._process
        if process is None or process.poll() is not None:
            process = self._start()
        if not self._is_ready:
            self._is_ready = bool(_receive(process))
        return process

    def _start(self) -> "subprocess.Popen[bytes]":
        # The code of this process first, whatever lies in the working folder (-P): a model brings its own.
        found = [str(_CODE), *(str(Path(path).absolute()) for path in sys.path)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(found))}
        # One process per core is enough: BLAS threads beside it, which wait spinning, made clean 5x slower.
        environment |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # glibc gives arrays of 128 kB back to the system each time, which doubled the time of a fingerprint.
        environment |= dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(_KEPT_BYTES))
        command = [sys.executable, "-P", "-m", "pipeline.workers"]
        with self._lock:
            if self._is_over.is_set():
                raise WorkerDiedError("the work was given up")
            self.close()
            self._process, self._is_ready = None, False
            # A group of its own: Ctrl+C is for the parent, which then ends its workers.
            self._process = process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0
            )
        with suppress(BrokenPipeError):  # `_make_ready` reports it
            _send(process, self._task)
        return process

    def _explain(self, process: "subprocess.Popen[bytes]") -> str:
        """What ended the process, in words for an item's `detail`."""
        code, limit = _wait_for_end(process), self._max_seconds or 0
        if code is None:
            return f"{_FROM_OUTSIDE} not understood: its answer was garbled"
        if code >= 0:
            return f"reading it ended its process with {code}"
        words: dict[int, str] = {
            signal.SIGPROF: f"reading it took longer than {limit:g} s of computing time",
            signal.SIGALRM: f"reading it took longer than {limit * CLOCK_FACTOR:g} s by the clock",
            signal.SIGKILL: f"{_FROM_OUTSIDE} killed, as happens when memory runs out",
        }
        name = _name_signal(-code)
        by_others = f"{_FROM_OUTSIDE} ended by {name}"
        crashed = f"reading it crashed its process ({name})"
        return words.get(-code, by_others if -code in _BY_OTHERS else crashed)


def _wait_for_end(process: "subprocess.Popen[bytes]") -> int | None:
    """The code of a process that has closed its pipe; None if it lived on, and had to be killed."""
    try:
        return process.wait(_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _name_signal(number: int) -> str:
    known = {one.value for one in signal.Signals}
    return signal.Signals(number).name if number in known else f"signal {number}"


def _send(process: "subprocess.Popen[bytes]", message: object) -> None:
    stream = process.stdin
    pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)  # type: ignore[arg-type]
    stream.flush()  # type: ignore[union-attr]


def _receive(process: "subprocess.Popen[bytes]") -> Any:
    """What the process says. Bytes that are no answer could otherwise keep the unpickler waiting for more."""
    stream = process.stdout
    if (start := stream.read(len(ANSWER))) != ANSWER:  # type: ignore[union-attr]
        raise pickle.UnpicklingError("not an answer") if start else EOFError
    return pickle.load(stream)  # type: ignore[arg-type]
