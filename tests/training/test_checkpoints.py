"""checkpoints: whole or absent, and named after what the training depends on."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import StorageError
from pipeline.training.checkpoints import N_KEPT, Checkpoints, hash_training

ARRAYS: dict[str, npt.NDArray[Any]] = {
    "now/0": np.arange(6, dtype=np.float32).reshape(2, 3),
    "now/1": np.array(7, np.int64),
    "best/0": np.array([1, 2], np.uint32),
}


def test_there_and_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    assert checkpoints.load() is None
    checkpoints.save({"rows": [{"loss": 0.1}], "best": None}, ARRAYS)
    found = checkpoints.load()
    assert found is not None
    assert found.state == {"rows": [{"loss": 0.1}], "best": None}
    assert found.arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        assert found.arrays[name].dtype == value.dtype
        assert np.array_equal(found.arrays[name], value)
    assert Checkpoints(tmp_path, "b").load() is None


def test_the_last_one_counts(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    for epoch in range(3):
        checkpoints.save({"epoch": epoch}, ARRAYS)
    found = checkpoints.load()
    assert found is not None
    assert found.state == {"epoch": 2}
    assert [p.name for p in checkpoints.path.parent.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize(
    "n_bytes", [pytest.param(0, id="empty"), pytest.param(100, id="cut"), pytest.param(-1, id="last byte")]
)
def test_damaged(n_bytes: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    checkpoints.save({}, ARRAYS)
    checkpoints.path.write_bytes(checkpoints.path.read_bytes()[:n_bytes])
    assert checkpoints.load() is None
    assert "training starts from the beginning" in caplog.text


def test_a_failed_save_leaves_the_last_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    checkpoints.save({"epoch": 1}, ARRAYS)
    with pytest.raises(TypeError):
        checkpoints.save({"epoch": object()}, ARRAYS)
    found = checkpoints.load()
    assert found is not None
    assert found.state == {"epoch": 1}


def test_forget_others(tmp_path: Path) -> None:
    for number in range(N_KEPT + 2):
        made = Checkpoints(tmp_path, f"training-{number}")
        made.save({}, ARRAYS)
        os.utime(made.path.parent, (number, number))
    mine = Checkpoints(tmp_path, "training-0")
    mine.forget_others()
    kept = {0, *range(3, N_KEPT + 2)}
    assert {p.name for p in tmp_path.iterdir()} == {f"training-{number}" for number in kept}
    assert mine.load() is not None
    Checkpoints(tmp_path / "new", "a").forget_others()


HOLD = (
    "import sys, time; from pathlib import Path; from pipeline.training.checkpoints import Checkpoints\n"
    "with Checkpoints(Path(sys.argv[1]), sys.argv[2]).alone(): print('in', flush=True); time.sleep(60)"
)


def hold(folder: Path, key: str) -> "subprocess.Popen[str]":
    """A process that runs a training."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), key], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    return holder


def test_a_training_that_runs_is_not_forgotten_however_old(tmp_path: Path) -> None:
    for number in range(N_KEPT + 2):
        made = Checkpoints(tmp_path, f"training-{number}")
        made.save({}, ARRAYS)
        os.utime(made.path.parent, (number, number))
    newest = Checkpoints(tmp_path, f"training-{N_KEPT + 1}")
    with hold(tmp_path, "training-0") as holder:
        os.utime(tmp_path / "training-0", (0, 0))
        newest.forget_others()
        assert Checkpoints(tmp_path, "training-0").load() is not None
        assert Checkpoints(tmp_path, "training-1").load() is None
        holder.kill()
    newest.forget_others()
    assert {p.name for p in tmp_path.iterdir()} == {f"training-{n}" for n in range(2, N_KEPT + 2)}


def test_locks_of_forgotten_trainings_do_not_pile_up(tmp_path: Path) -> None:
    (tmp_path / "long-forgotten.lock").touch()
    for number in range(N_KEPT + 2):
        made = Checkpoints(tmp_path, f"training-{number}")
        with made.alone():
            made.save({}, ARRAYS)
        os.utime(made.path.parent, (number, number))
        made.forget_others()
    assert len(list(tmp_path.glob("*.lock"))) == N_KEPT
    assert len(list(tmp_path.iterdir())) == 2 * N_KEPT


def test_what_a_killed_training_left_half_written_is_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    checkpoints.save({}, ARRAYS)
    (checkpoints.path.parent / ".darkroom-99.npz").write_text("half")
    checkpoints.save({}, ARRAYS)
    assert [p.name for p in checkpoints.path.parent.iterdir()] == ["checkpoint.npz"]


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.lock").mkdir()
    with pytest.raises(StorageError, match=r"a\.lock cannot be written"), Checkpoints(tmp_path, "a").alone():
        pass


def test_the_errors_of_a_training_are_its_own(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="of the training"), Checkpoints(tmp_path, "a").alone():
        raise OSError("of the training")


def test_one_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The second waits until the first, here killed, is gone."""
    caplog.set_level(logging.INFO)
    first = hold(tmp_path, "a")
    assert first.stdout is not None
    waiter = subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {first.pid}"])
    start = time.monotonic()
    with Checkpoints(tmp_path, "a").alone():
        assert time.monotonic() - start > 0.5
    assert "waiting for it" in caplog.text
    waiter.wait()
    first.wait()
    first.stdout.close()


def test_key() -> None:
    assert hash_training({"a": 1, "b": [2]}) == hash_training({"b": [2], "a": 1})
    assert hash_training({"a": 1}) != hash_training({"a": 2})
    assert len(hash_training({})) == 32


def test_checkpoints_of_another_process_are_only_read(tmp_path: Path) -> None:
    """No lock is waited for, either: the other process holds it."""
    mine, theirs = Checkpoints(tmp_path, "a"), Checkpoints(tmp_path, "a", is_mine=False)
    with mine.alone():
        mine.save({"epoch": 1}, ARRAYS)
        before = sorted(tmp_path.rglob("*"))
        with theirs.alone():
            theirs.save({"epoch": 2}, ARRAYS)
            theirs.forget_others()
    found = theirs.load()
    assert found is not None
    assert found.state == {"epoch": 1}
    assert sorted(tmp_path.rglob("*")) == before
