"""A registered model in a process of its own, where the code that was packed with it answers.

MLflow does not isolate the code of a model: a process that has imported this package would serve every model
with its own. So the version of an older Darkroom, and each version that is served, is a process.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipeline.characters import cut, escape
from pipeline.errors import ModelError

if TYPE_CHECKING:
    import psutil

_PROGRAM = Path(__file__).with_name("model_host.py")
_START_S = 600.0  # to import MLflow and Keras on a busy machine
_LAST_WORDS_S = 5  # for a process to end after its input has ended
_MAX_WHY = 300  # characters


class ModelProcess:
    """The process of a model; close it, or use it in a `with`.

    Attributes:
        code: the file of the package that answers, which lies in the folder of a model of MLflow's.
        class_names: in the order of the columns of its answers.
    """

    def __init__(self, folder: Path, rule: Path | None = None) -> None:
        """Start the process; it has loaded the model when this returns.

        Args:
            folder: of a model as MLflow logged it, which holds its MLmodel; or of a classifier, which answers
                with the code of this process.
            rule: the file with the rule of a classifier's answers, where its folder has none.

        Raises:
            ModelError: it cannot be loaded.
        """
        self._folder = folder
        self._scratch = tempfile.TemporaryDirectory()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        # -I: no PYTHONPATH, and no package of the working folder. -B: nothing is written beside the code.
        command = [sys.executable, "-IB", str(_PROGRAM), str(folder.absolute())]
        command += [str(rule.absolute())] if rule else []
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(  # noqa: S603
            command,
            cwd=self._scratch.name,
            env=environment,
            process_group=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        try:
            said = self._exchange(b"", (), _START_S)
        except BaseException:
            self.close()
            raise
        self.code, self.class_names = Path(said["code"]), tuple(said["class_names"])

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ask(self, pictures: Sequence[bytes], *, max_seconds: float = 600) -> list[dict[str, Any]]:
        """The answers to encoded pictures: a dictionary each, as a row of the model's output.

        Its keys are `answer`, `class`, `probability`, `reason` and one a class (`serving/pyfunc.py`).

        Raises:
            ModelError: the model failed, its process ended, or it took longer than `max_seconds`.
        """
        rows: list[dict[str, Any]] = self._ask({}, pictures, max_seconds)["rows"]
        return rows

    def explain(self, picture: bytes, class_name: str = "", *, max_seconds: float = 600) -> dict[str, Any]:
        """What in an encoded picture spoke for a class ("": the likeliest): see `ImageClassifier.explain`.

        Raises:
            ModelError: as `ask`.
        """
        explained: dict[str, Any] = self._ask({"explain": class_name}, [picture], max_seconds)["explained"]
        return explained

    def _ask(self, asked: dict[str, Any], pictures: Sequence[bytes], max_seconds: float) -> dict[str, Any]:
        head = json.dumps({"sizes": [len(one) for one in pictures], **asked}).encode() + b"\n"
        said = self._exchange(head, pictures, max_seconds)
        if "error" in said:
            raise ModelError(f"the model in {self._folder} failed: {_shorten(said['error'])}")
        return said

    def measure_cpu(self) -> float:
        """The processor time that the process and its workers have used so far, in seconds."""
        import psutil

        total = 0.0
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._process.pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess, OSError):
                    total += _read_cpu(one)
        return total

    def close(self) -> None:
        """End the process, and its workers with it."""
        with suppress(BrokenPipeError):  # what was not sent has no reader any more
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._errors.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, head: bytes, pictures: Sequence[bytes], max_seconds: float) -> dict[str, Any]:
        requests, answers = self._process.stdin, self._process.stdout
        with self._limit_time(max_seconds) as is_late:
            with suppress(BrokenPipeError):  # then there is no answer either
                requests.write(head)  # type: ignore[union-attr]
                for one in pictures:
                    requests.write(one)  # type: ignore[union-attr]
                requests.flush()  # type: ignore[union-attr]
            line = answers.readline()  # type: ignore[union-attr]
        if line.endswith(b"\n"):
            said: dict[str, Any] = json.loads(line)
            return said
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_S)
        why = f"it took longer than {max_seconds:g} s" if is_late.is_set() else self._read_last_words()
        raise ModelError(f"the model in {self._folder} does not answer: {why}")

    @contextmanager
    def _limit_time(self, seconds: float) -> Iterator[threading.Event]:
        """Kill the process after so many seconds; the event says that it was."""
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            self._process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield is_late
        finally:
            timer.cancel()

    def _read_last_words(self) -> str:
        """How the process ended, if by a signal; otherwise the last line that it wrote to standard error."""
        code = self._process.poll()
        if code is not None and code < 0:
            return f"its process was ended by signal {-code} ({signal.strsignal(-code)})"
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        said = next((line for line in reversed(lines) if line.strip()), "")
        return _shorten(said) if said else f"its process ended with {code}"


def _read_cpu(process: "psutil.Process") -> float:
    """The processor time that a process has used so far, in seconds; exact on Linux, in ticks elsewhere.

    Linux has a clock of each process, whose number is made of the process id (clock_getcpuclockid(3)). psutil
    reads ticks of 10 ms, and a small network answers in less.
    """
    if sys.platform == "linux":
        return time.clock_gettime(~process.pid << 3 | 2)
    used = process.cpu_times()
    return float(used.user + used.system)


def _shorten(text: str) -> str:
    return cut(escape(" ".join(text.split())), _MAX_WHY)
