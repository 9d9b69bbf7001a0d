"""`dvc repro` killed by SIGKILL at random moments continues, loses an epoch at most, ends with the same bits.

Real DVC, MLflow, Keras in a clone. `DARKROOM_KILLS=20 pytest tests/test_kills.py` kills 20 times, not twice.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clones import QUICK, Clone, make_clone

pytestmark = pytest.mark.slow

N_KILLS = int(os.environ.get("DARKROOM_KILLS", "2"))
N_EPOCHS = 60
TRAIN = {"epochs": N_EPOCHS, "patience": N_EPOCHS, "model": "conv1", "batch_size": 16, "ema": 0.9}
AUGMENT = {"rotation": 0.05, "mixup": 0.2, "flip": "alternating"}
COMMAND = ("dvc", "repro", "--force", "--single-item", "train")


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Clone:
    """A clone whose next stage is train; its commands are forks (a kill ends them as it ends any process)."""
    clone = make_clone(repo, tmp_path_factory.mktemp("kills") / "darkroom")
    clone.draw_collection(25)
    clone.warm = warm
    clone.run("git", "init", "-q")
    clone.set_params(QUICK)
    clone.set_params({"train": TRAIN, "augment": AUGMENT})
    clone.run("dvc", "repro", "augment")
    return clone


def test_killed_at_random_moments(clone: Clone) -> None:
    start = time.monotonic()
    whole_log = clone.run(*COMMAND, env={"DARKROOM_CACHE": "whole"})
    took_s = time.monotonic() - start
    assert last_epoch(whole_log) == N_EPOCHS
    whole = weights(clone)
    chance = random.Random(time.time_ns())
    log, n_kills, n_whole = "", 0, 0
    while n_kills < N_KILLS or not n_whole:
        moment_s = chance.uniform(0.3, 1) * took_s if n_kills < N_KILLS else None
        before, log, was_killed = log, *killed_after(clone, moment_s)
        found = re.search(r"training continues after epoch (\d+)", log)
        begun = int(found[1]) if found else 0
        if found or last_epoch(log):  # it came to train
            assert begun >= last_epoch(before) - 1, (before, log)
        n_kills += was_killed
        log = log if last_epoch(log) else before  # killed before it trained: nothing new
        if not was_killed:
            assert [np.array_equal(*pair) for pair in zip(weights(clone), whole, strict=True)].count(
                False
            ) == 0
            n_whole, log = n_whole + 1, ""
            shutil.rmtree(clone.root / "killed")


def test_interrupted(clone: Clone) -> None:
    """Ctrl+C ends it within ten seconds, with one line; started again, it continues."""
    # What runs in the background of a shell ignores it, and so would the stage.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    env = clone.env | {"DARKROOM_CACHE": "interrupted"}
    command = (sys.executable, "-m", "pipeline.stages.train")
    with subprocess.Popen(command, cwd=clone.root, env=env, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, inherited)
        assert process.stderr is not None
        said = ""
        while last_epoch(said) < 3:
            said += read_line(process)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        rest = process.stderr.read()
        code = process.wait()
        took_s = time.monotonic() - start
    assert took_s < 10, rest
    assert code == 130
    assert rest.splitlines()[-1] == "ERROR train: interrupted"
    assert "Traceback" not in rest
    again = clone.run("python", *command[1:], env={"DARKROOM_CACHE": "interrupted"})
    assert re.search(r"training continues after epoch \d+", again)
    assert last_epoch(again) == N_EPOCHS


def test_an_edit_while_it_trains_is_not_recorded_as_what_it_trained_with(clone: Clone) -> None:
    """DVC hashes parameters after the command: dvc.lock would say 0.0007 of a model trained with 0.003."""
    env = clone.environment(DARKROOM_CACHE="edited")
    with subprocess.Popen(COMMAND, cwd=clone.root, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while last_epoch(said) < 2:
            said += read_line(process)
        clone.set_params({"train": {"learning_rate": 0.0007}})
        said += process.stderr.read()
        code = process.wait()
    assert code != 0
    assert "ERROR train: train.learning_rate in params.yaml was changed from 0.003 to 0.0007 while" in said
    assert not clone.paths.classifier.exists()
    assert "0.0007" not in clone.paths.dvc_lock.read_text()
    clone.set_params({"train": {"learning_rate": 0.003}})
    clone.run(*COMMAND, env={"DARKROOM_CACHE": "edited"})
    assert "Data and pipelines are up to date" in clone.run("dvc", "status", "train")


def read_line(process: "subprocess.Popen[str]") -> str:
    """The next line of what a process says; a failure where it says no more."""
    line = process.stderr.readline() if process.stderr else ""
    assert line, "it ended, or says nothing more"
    return line


def killed_after(clone: Clone, moment_s: float | None) -> tuple[str, bool]:
    """Run the stage, kill all its processes after so many seconds; what it said, and if it was killed."""
    path = clone.root.parent / "log"
    env = clone.environment(DARKROOM_CACHE="killed")
    with path.open("w") as log:
        process = subprocess.Popen(
            COMMAND, cwd=clone.root, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = process.wait(moment_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    said = path.read_text()
    assert code in (0, -signal.SIGKILL), said
    return said, code != 0


def last_epoch(log: str) -> int:
    """The number of the last epoch that a log tells of; 0 without any."""
    return max((int(number) for number in re.findall(r"epoch +(\d+)/", log)), default=0)


def weights(clone: Clone) -> list[Any]:
    """The weights in the saved model."""
    import keras

    return list(keras.saving.load_model(clone.paths.classifier / "model.keras", compile=False).get_weights())
