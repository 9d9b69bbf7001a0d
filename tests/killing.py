"""`python -m tests.killing pipeline.stages.promote`: a stage, killed just before its nth call to MLflow.

`DARKROOM_KILL_AT` is n, from 1; 0 kills nothing. The calls are counted into the file `DARKROOM_CALLS`.
"""

import functools
import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Calls:
    """Counts the calls of a client that come from outside it, and kills the process at one of them."""

    def __init__(self, kill_at: int, log: Path) -> None:
        self._kill_at, self._log = kill_at, log
        self._n, self._depth = 0, 0

    def watch(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*arguments: Any, **named: Any) -> Any:
            self._begin(name)
            try:
                return method(*arguments, **named)
            finally:
                self._depth -= 1

        return call

    def _begin(self, name: str) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        self._n += 1
        with self._log.open("a") as log:
            log.write(f"{name}\n")
        if self._n == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Watch every public method of MLflow's client, then run the stage as `python -m` does."""
    from mlflow import MlflowClient

    calls = Calls(int(os.environ["DARKROOM_KILL_AT"]), Path(os.environ["DARKROOM_CALLS"]))
    for name, method in vars(MlflowClient).copy().items():
        if callable(method) and not name.startswith("_"):
            setattr(MlflowClient, name, calls.watch(name, method))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
