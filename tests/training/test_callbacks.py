"""callbacks: the history, the best weights, when to stop, what is saved, and what is said meanwhile."""

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.training import callbacks
from pipeline.training.callbacks import EpochKeeper, EpochOrder, EpochReporter, describe_epoch
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.history import find_best_row
from pipeline.training.state import TrainingState

VALUES = [(0.5, 0.8), (0.3, 0.7), (0.4, 0.9), (0.6, 0.9)]  # val_loss, val_accuracy
ROW = {
    "epoch": 3.0,
    "val_loss": 0.4,
    "val_accuracy": 0.9,
    "loss": 1.0,
    "accuracy": 0.5,
    "learning_rate": 0.1,
}
BEST = [pytest.param("val_loss", 2, id="least loss"), pytest.param("val_accuracy", 3, id="first of equals")]


@dataclass
class Watched(TrainingState):
    """A state that remembers when it was saved, and whether the phase was done then."""

    saved: list[bool] = field(default_factory=list)

    def save(self, trained: Any, *, is_done: bool) -> None:
        self.saved.append(is_done)
        super().save(trained, is_done=is_done)


class Story:
    """A model whose only weight says how many epochs it has trained, and the callbacks that watch it."""

    def __init__(self, state: TrainingState, *, last_epoch: int = 4, patience: int = 9) -> None:
        import keras

        self.model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        self.model.compile(keras.optimizers.SGD(0.1), "mse")
        optimizer = self.model.optimizer
        self.callbacks: list[Any] = [
            EpochKeeper(
                state, model=self.model, optimizer=optimizer, last_epoch=last_epoch, patience=patience
            ),
            EpochReporter(state, optimizer=optimizer, n_pictures=10, last_epoch=last_epoch),
        ]
        for callback in self.callbacks:
            callback.set_model(self.model)
            callback.set_params({"steps": 1})
            callback.on_train_begin()

    def run_epoch(self, number: int, values: tuple[float, float], loss: float = 1.0) -> bool:
        """Go through an epoch as Keras does; returns whether training is to stop."""
        logs = {"loss": loss, "accuracy": 0.5, "val_loss": values[0], "val_accuracy": values[1]}
        for callback in self.callbacks:
            callback.on_epoch_begin(number)
            callback.on_train_batch_end(0, {"loss": loss})
        self.model.set_weights([np.full((1, 1), number + 1)])
        for callback in self.callbacks:
            callback.on_test_begin()
        for callback in self.callbacks:
            callback.on_test_end({"loss": values[0], "accuracy": values[1]})
        for callback in self.callbacks:
            callback.on_epoch_end(number, logs)
        return bool(self.model.stop_training)


@pytest.mark.parametrize(("monitor", "epoch"), BEST)
def test_keeps_the_best(monitor: str, epoch: int) -> None:
    heard: list[dict[str, float]] = []
    state = Watched(monitor, on_epoch=heard.append)
    story = Story(state)
    assert [story.run_epoch(i, values) for i, values in enumerate(VALUES)] == [False, False, False, True]
    assert float(state.best_weights[0][0, 0]) == epoch
    assert find_best_row(state.rows, monitor)["epoch"] == epoch
    assert state.rows == heard
    assert [row["val_loss"] for row in heard] == [a for a, _ in VALUES]
    assert state.saved == [False, False, False, True]


@pytest.mark.parametrize(
    ("patience", "first_epoch", "n_epochs"),
    [
        pytest.param(1, 1, 3, id="after one epoch without a better one"),
        pytest.param(2, 1, 4, id="after two"),
        pytest.param(9, 1, 4, id="not before the end"),
        pytest.param(1, 3, 3, id="counted from the phase's first epoch"),
    ],
)
def test_stops_early(patience: int, first_epoch: int, n_epochs: int) -> None:
    state = Watched("val_loss", phase_start=first_epoch - 1)
    story = Story(state, patience=patience)
    for i, values in enumerate(VALUES):
        if story.run_epoch(i, values):
            break
    assert len(state.saved) == n_epochs
    assert state.saved[-1]


def test_continues_from_a_checkpoint(tmp_path: Path) -> None:
    """The history is told again, and the best so far stays the best unless it is beaten."""
    checkpoints = Checkpoints(tmp_path, "a")
    before = TrainingState("val_loss", checkpoints=checkpoints)
    story = Story(before)
    for i, values in enumerate(VALUES[:3]):
        story.run_epoch(i, values)
    heard: list[dict[str, float]] = []
    after = TrainingState.load("val_loss", on_epoch=heard.append, checkpoints=checkpoints)
    assert heard == before.rows
    Story(after).run_epoch(3, VALUES[3])
    assert float(after.best_weights[0][0, 0]) == 2
    assert [row["epoch"] for row in after.rows] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("loss", "val_loss", "message"),
    [
        pytest.param(
            math.nan, 0.5, r"^the loss is nan in epoch 1 at learning rate 0\.1; lower train\.", id="loss"
        ),
        pytest.param(math.inf, 0.5, "^the loss is inf in epoch 1", id="infinite"),
        pytest.param(
            1.0, math.nan, r"^the val_loss is nan in epoch 1 at learning rate 0\.1", id="validation"
        ),
    ],
)
def test_no_number(loss: float, val_loss: float, message: str) -> None:
    state = Watched("val_loss")
    story = Story(state)
    with pytest.raises(ModelError, match=message):
        story.run_epoch(0, (val_loss, 0.5), loss=loss)
    assert state.saved == []
    assert state.best_weights == []


def test_the_average_is_validated_and_kept() -> None:
    import keras

    state = Watched("val_loss")
    story = Story(state)
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    optimizer.build(story.model.trainable_variables)
    keeper = EpochKeeper(state, model=story.model, optimizer=optimizer, last_epoch=2, patience=9)
    story.model.set_weights([np.full((1, 1), 8.0)])
    optimizer._model_variables_moving_average[0].assign(np.full((1, 1), 4.0))
    keeper.on_test_begin()
    assert float(story.model.get_weights()[0][0, 0]) == 4
    keeper.on_test_end({"loss": 0.1, "accuracy": 1.0})
    assert float(story.model.get_weights()[0][0, 0]) == 8
    assert float(np.asarray(optimizer._model_variables_moving_average[0])[0, 0]) == 4
    assert float(state.best_weights[0][0, 0]) == 4


def test_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert describe_epoch(ROW, 30, 1210.4, 41.2) == (
        "epoch  3/30: loss 1.0000, accuracy 0.5000, val_loss 0.4000, val_accuracy 0.9000, 1,210/s, 41 s left"
    )
    Story(TrainingState("val_loss")).run_epoch(0, (0.5, 0.8))
    assert caplog.messages[-1].startswith("epoch  1/4: loss 1.0000, ")


def test_a_long_epoch_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(callbacks, "_LINE_EVERY_S", 0.0)
    Story(TrainingState("val_loss")).run_epoch(0, (0.5, 0.8))
    assert [message.partition(",")[0] for message in caplog.messages] == [
        "epoch 1: 10 of 10 pictures",
        "epoch  1/4: loss 1.0000",
    ]


def test_each_epoch_has_its_order() -> None:
    class Fed:
        def __init__(self) -> None:
            self.epochs: list[int] = []

        def set_epoch(self, epoch: int) -> None:
            self.epochs.append(epoch)

    fed = Fed()
    order = EpochOrder(fed)
    for epoch in (3, 4):
        order.on_epoch_begin(epoch)
    assert fed.epochs == [3, 4]
