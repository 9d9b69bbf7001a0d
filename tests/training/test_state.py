"""state: what a training is when it is told to continue, in a phase or between two."""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.training.checkpoints import Checkpoints
from pipeline.training.history import Row
from pipeline.training.state import TrainingState


def make_row(epoch: int, value: float) -> Row:
    """An epoch whose loss and accuracy on the validation pictures are one value."""
    row: Row = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), value)
    return row | {"epoch": float(epoch), "learning_rate": 0.1}


def build(value: float = 0.0) -> Any:
    """A model of one weight, compiled, with all its variables made: a random seed too."""
    import keras

    layers = [keras.layers.Dense(1, use_bias=False), keras.layers.GaussianNoise(0.1, seed=3)]
    model = keras.Sequential([keras.Input((1,)), *layers])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    model.set_weights([np.full((1, 1), value)])
    return model


def load(checkpoints: Checkpoints | None, heard: list[Row] | None = None) -> TrainingState:
    """The state that a process begins with."""
    on_epoch = (lambda row: None) if heard is None else heard.append
    return TrainingState.load("val_loss", on_epoch=on_epoch, checkpoints=checkpoints)


def save(checkpoints: Checkpoints, *, phase: int, is_done: bool) -> Any:
    """Write the checkpoint of a training two epochs in, the second of them the first of `phase`."""
    state = TrainingState("val_loss", checkpoints=checkpoints, phase=phase, phase_start=1)
    for epoch, value in ((1, 0.5), (2, 0.25)):
        state.add(make_row(epoch, value))
    state.best_value, state.best_weights = 0.25, [np.full((1, 1), 7.0, np.float32)]
    trained = build(3.0)
    trained.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    state.save(trained, is_done=is_done)
    return trained


def list_values(model: Any) -> list[Any]:
    """The values of a model and its optimizer, and of what draws at random in it."""
    return [np.asarray(v).tolist() for v in (*model.variables, *model.optimizer.variables)]


@pytest.mark.parametrize("kept", [False, True], ids=["nowhere", "in a folder"])
def test_a_fresh_one(kept: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    heard: list[Row] = []
    state = load(Checkpoints(tmp_path, "a") if kept else None, heard)
    assert (state.rows, heard, state.phase, state.phase_start, state.is_done) == ([], [], 0, 0, False)
    assert (state.best_value, state.best_weights, state.variables) == (None, [], [])
    model = build(2.0)
    before = list_values(model)
    state.enter(0, model)
    state.restore(model)
    assert list_values(model) == before
    state.save(model, is_done=True)
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["checkpoint.npz"] * kept
    assert caplog.messages == []


def test_it_continues_where_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    checkpoints, heard = Checkpoints(tmp_path, "a"), list[Row]()
    trained = save(checkpoints, phase=1, is_done=False)
    state = load(checkpoints, heard)
    assert state.rows == heard == [make_row(1, 0.5), make_row(2, 0.25)]
    assert (state.phase, state.phase_start, state.is_done) == (1, 1, False)
    assert (state.best_value, state.best_weights[0].item()) == (0.25, 7.0)
    assert caplog.messages == [f"training continues after epoch 2, from {checkpoints.path}"]
    model = build()
    state.enter(1, model)
    assert model.get_weights()[0].item() == 0.0  # an interrupted phase is not begun again
    assert state.phase_start == 1
    state.restore(model)
    assert list_values(model) == list_values(trained)
    assert len({len(list_values(model)), len(state.variables)}) == 1


def test_a_phase_that_is_done_leads_to_the_next(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    save(checkpoints, phase=1, is_done=True)
    state = load(checkpoints)
    assert state.is_done
    model = build()
    state.enter(2, model)
    assert model.get_weights()[0].item() == 7.0  # the best of the phase before
    assert (state.phase, state.phase_start, state.is_done) == (2, 2, False)
    before = list_values(model)
    state.restore(model)  # nothing: this phase was never interrupted
    assert list_values(model) == before
    state.save(model, is_done=False)
    again = load(checkpoints)
    assert (again.phase, again.phase_start, again.is_done) == (2, 2, False)
    assert again.rows == state.rows


@pytest.mark.parametrize(("monitor", "better", "worse"), [("val_loss", 0.4, 0.6), ("val_accuracy", 0.6, 0.4)])
def test_what_is_best(monitor: str, better: float, worse: float) -> None:
    """Anything finite at first; a tie is not better."""
    state = TrainingState(monitor)
    assert state.is_best(worse)
    assert not state.is_best(math.nan)
    assert not state.is_best(math.inf)
    state.best_value = 0.5
    assert state.is_best(better)
    assert not state.is_best(worse)
    assert not state.is_best(0.5)
    assert not state.is_best(math.nan)
