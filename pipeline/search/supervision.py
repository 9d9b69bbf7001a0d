"""The processes that run the trials of a search: watched, replaced when killed, so that nothing is lost."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.errors import StudyError, WorkersError
from pipeline.search import dead_trials
from pipeline.search import study as studies
from pipeline.search.worker import Job
from pipeline.storage import make_folder, translate_errors

_CODE = Path(__file__).parents[2]  # the folder of the package
_POLL_S = 0.3
_STOP_S = 30.0  # for a process to put its trial back
_MAX_DEATHS = 5  # of one process in a row, without a finished trial in between


def watch_trials(job: Job, study: Study, n_workers: int, logs: Path) -> Generator[FrozenTrial, None, None]:
    """Run the trials of a study in processes of their own; yield each trial that any process finishes.

    Whoever closes the iterator stops the processes; trials that have begun are queued again.

    Args:
        logs: the folder for what the processes say.

    Raises:
        StudyError: a process ended with an error; the message is its own.
        WorkersError: processes die again and again.
    """
    make_folder(logs)
    known = {trial.number for trial in studies.list_finished(study)}
    if len(known) >= job.n_trials:
        return
    members = [_Member(job, study, number, n_workers, logs) for number in range(n_workers)]
    try:
        is_over = False
        while not is_over:
            n_done = sum(member.is_done() for member in members)
            is_over = n_done == n_workers
            for trial in studies.list_finished(study):
                if trial.number not in known:
                    known.add(trial.number)
                    for member in members:
                        member.n_deaths = 0
                    yield trial
            time.sleep(0 if is_over else _POLL_S)
    finally:
        for member in members:
            member.interrupt()
        for member in members:
            member.stop()


def share_cores(cores: Sequence[int], number: int, n_workers: int) -> tuple[int, ...]:
    """The cores of one of several processes: every core once, or one each where there are too few."""
    return tuple(cores[number::n_workers]) or (cores[number % len(cores)],)


class _Member:
    """One place among the processes of a search, and the process that has it now."""

    def __init__(self, job: Job, study: Study, number: int, n_workers: int, logs: Path) -> None:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        shared = share_cores(cores, number, n_workers) if cores and n_workers > 1 else ()
        self._job = replace(job, number=number, cores=shared)
        self._study, self._log = study, logs / f"{job.study}-{os.getpid()}-{number}.log"
        self.n_deaths = 0
        self._start()

    def is_done(self) -> bool:
        """Whether its work is done; a process that was killed is replaced."""
        code = self._process.poll()
        if code is None:
            return False
        if code == 0:
            return True
        self._close()
        dead_trials.release(self._study, self._job.owner)
        if said := self._read_error():
            raise StudyError(said)
        self.n_deaths += 1
        if self.n_deaths >= _MAX_DEATHS:
            raise WorkersError(
                f"the processes of the search ended {_MAX_DEATHS} times (code {code}), the last words are in "
                f"{self._log}; free memory, or take fewer with -j"
            )
        self._start()
        return False

    def interrupt(self) -> None:
        """Ask the process to put its trial back and to end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Wait for its end, or end it; its trial is queued again."""
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()
        with suppress(StudyError), studies.translate_errors(self._job.address):
            dead_trials.release(self._study, self._job.owner)

    def _start(self) -> None:
        self._job = replace(self._job, owner=secrets.token_hex(8))
        path = os.pathsep.join([str(_CODE), *filter(None, sys.path)])
        with translate_errors(self._log), self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pipeline.search.worker"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_limit_threads(self._job) | os.environ | {"PYTHONPATH": path},
                process_group=0,  # Ctrl+C is for this process, which then asks them to end
            )
        if self._process.stdin:
            with suppress(BrokenPipeError):  # it ended at its start; `is_done` says so
                self._process.stdin.write(self._job.to_line().encode())
                self._process.stdin.flush()

    def _close(self) -> None:
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _read_error(self) -> str:
        """The reason that the process gave as its last line; "" if it gave none."""
        with suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            if lines and lines[-1].startswith("ERROR "):
                return lines[-1].removeprefix("ERROR ")
        return ""


def _limit_threads(job: Job) -> dict[str, str]:
    """What keeps the threads of NumPy and SciPy to the cores of a process: else two fight for all of them."""
    if not job.cores:
        return {}
    return dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(len(job.cores)))
