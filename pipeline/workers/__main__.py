"""The program of a worker process: it answers chunks of items."""

import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from pipeline.workers.process import ANSWER, CLOCK_FACTOR


def _serve() -> None:
    """Answer chunks from stdin on stdout until stdin ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is reported by the parent, and leaves no file
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # the default ends the process, even inside C code
    function, max_seconds = pickle.load(requests)
    # Nothing else may reach the answers, and C libraries (libtiff) print a line for each damaged file.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    with suppress(BrokenPipeError):  # the parent is gone; stdin then ends too
        _say(answers, True)
    while True:
        try:
            chunk = pickle.load(requests)
        except EOFError:
            return
        with suppress(BrokenPipeError):
            _say(answers, _answer(function, chunk, max_seconds))


def _say(stream: IO[bytes], message: object) -> None:
    stream.write(ANSWER)
    pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def _answer(function: Callable[[Any], Any], chunk: list[Any], max_seconds: float | None) -> tuple[bool, Any]:
    try:
        return True, [_call_timed(function, item, max_seconds) for item in chunk]
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in the function belongs to the parent
        _set_alarms(0)
        error.add_note(traceback.format_exc())
        try:
            pickle.loads(pickle.dumps(error))
        except (TypeError, AttributeError, pickle.PicklingError):
            return False, RuntimeError(f"in a worker: {traceback.format_exc()}")
        return False, error


def _call_timed(function: Callable[[Any], Any], item: Any, max_seconds: float | None) -> Any:
    if max_seconds is None:
        return function(item)
    _set_alarms(max_seconds)
    result = function(item)
    _set_alarms(0)
    return result


def _set_alarms(seconds: float) -> None:
    """End this process after so many seconds of CPU time, or 20 times as many by the clock; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * CLOCK_FACTOR)


if __name__ == "__main__":
    try:
        _serve()
    except MemoryError:  # under a limit of the shell's: the same end as where the system ends the process
        os.kill(os.getpid(), signal.SIGKILL)
