"""Checkpoints of one training on disk: whole or absent, so a process may be killed at any moment.

They live outside DVC's outputs (`Paths.cache`), in a folder named after the hash of all that the training
depends on. Another parameter, picture, line of code or kind of machine is another training.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import one_line
from pipeline.storage import hold_lock, lock, make_folder, write_whole

_STATE = "state"  # the array that holds the JSON
_FILE, _LOCK = "checkpoint.npz", ".lock"
N_KEPT = 4  # trainings whose last checkpoint is kept

_log = logging.getLogger(__name__)

Arrays = Mapping[str, npt.NDArray[Any]]


class Checkpoint(NamedTuple):
    """Plain JSON values, and arrays by name."""

    state: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


class Checkpoints:
    """The last checkpoint of one training, in a folder of its own below `folder`.

    Args:
        is_mine: False where another process writes it, and this one reads it alone.
    """

    def __init__(self, folder: Path, key: str, *, is_mine: bool = True) -> None:
        self._folder, self.key, self._is_mine = folder, key, is_mine
        self.path = folder / key / _FILE
        self._lock = folder / f"{key}{_LOCK}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of this training; wait while another process runs it. Its result is then used."""
        if not self._is_mine:
            yield
            return
        make_folder(self.path.parent)
        with hold_lock(self._lock, _say_waiting):
            yield

    def save(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Replace the last checkpoint by this one, which is on the disk when this returns."""
        if not self._is_mine:
            return
        text = np.frombuffer(json.dumps(state).encode(), np.uint8)
        with write_whole(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_STATE: text}, **arrays)

    def load(self) -> Checkpoint | None:
        """The last checkpoint; None if there is none, or (with a warning) if it cannot be read."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                state = json.loads(arrays[_STATE].tobytes())
                return Checkpoint(state, {name: arrays[name] for name in arrays.files if name != _STATE})
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 (a flipped bit makes zip and NumPy raise nearly anything)
            _log.warning(
                "%s cannot be read (%s): training starts from the beginning", self.path, one_line(error)
            )
            return None

    def forget_others(self) -> None:
        """Remove the checkpoints of all but the latest N_KEPT trainings, and of none that runs.

        A training that runs holds its lock. Locks that belong to no checkpoint are removed too.
        """
        if not self._is_mine:
            return
        folders = sorted((p for p in self._folder.glob("*") if p.is_dir()), key=_age_ns, reverse=True)
        others = [folder for folder in folders if folder != self.path.parent]
        kept = {self.path.parent, *others[: N_KEPT - 1]}
        locks = {path.with_suffix("") for path in self._folder.glob(f"*{_LOCK}")}
        for old in ({*others} | locks) - kept:
            path = old.with_name(f"{old.name}{_LOCK}")
            with suppress(OSError), lock(path) as is_idle:  # another process may forget it at the same time
                if is_idle:
                    shutil.rmtree(old, ignore_errors=True)
                    path.unlink()


def hash_training(values: Mapping[str, Any]) -> str:
    """The name of a training: a hash of plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _say_waiting() -> None:
    _log.info("another process runs the same training: waiting for it")


def _age_ns(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime_ns
    return 0
