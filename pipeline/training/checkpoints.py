"""Checkpoints of one training on disk: whole or absent, so a process may be killed at any moment.

They live outside DVC's outputs (`Paths.cache`), in a folder named after the hash of all that the training
depends on. Another parameter, picture, line of code or kind of machine is another training.
"""

import hashlib
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import one_line
from pipeline.paths import write_whole

_STATE = "state"  # the array that holds the JSON
_FILE = "checkpoint.npz"
N_KEPT = 4  # trainings whose last checkpoint is kept

_log = logging.getLogger(__name__)

Arrays = Mapping[str, npt.NDArray[Any]]


class Checkpoint(NamedTuple):
    """Plain JSON values, and arrays by name."""

    state: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


class Checkpoints:
    """The last checkpoint of one training, in a folder of its own below `folder`."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder, self.key = folder, key
        self.path = folder / key / _FILE

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of this training; wait while another process runs it. Its result is then used."""
        from filelock import FileLock, Timeout

        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f"{self.key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("another process runs the same training: waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def save(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Replace the last checkpoint by this one, which is on the disk when this returns."""
        text = np.frombuffer(json.dumps(state).encode(), np.uint8)
        with write_whole(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_STATE: text}, **arrays)
            file.flush()
            os.fsync(file.fileno())

    def load(self) -> Checkpoint | None:
        """The last checkpoint; None if there is none, or (with a warning) if it cannot be read."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                state = json.loads(arrays[_STATE].tobytes())
                return Checkpoint(state, {name: arrays[name] for name in arrays.files if name != _STATE})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _log.warning(
                "%s cannot be read (%s): training starts from the beginning", self.path, one_line(error)
            )
            return None

    def forget_others(self) -> None:
        """Remove the checkpoints of all but the latest N_KEPT trainings, and half-written files."""
        folders = sorted((p for p in self._folder.glob("*") if p.is_dir()), key=_age_ns, reverse=True)
        others = [folder for folder in folders if folder != self.path.parent]
        for old in others[N_KEPT - 1 :]:
            shutil.rmtree(old, ignore_errors=True)
        for part in self.path.parent.glob(".*.part"):
            with suppress(FileNotFoundError):
                part.unlink()


def hash_training(values: Mapping[str, Any]) -> str:
    """The name of a training: a hash of plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _age_ns(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime_ns
    return 0
