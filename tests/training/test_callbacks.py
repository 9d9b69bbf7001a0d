"""observer: the history, the best weights, when to stop, and what is saved."""

import logging
import math
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.training.callbacks import Progress, describe_epoch, keeper, reporter
from pipeline.training.checkpoints import Checkpoint
from pipeline.training.history import find_best_row

VALUES = [(0.5, 0.8), (0.3, 0.7), (0.4, 0.9), (0.6, 0.9)]  # val_loss, val_accuracy
ROWS = [
    {"epoch": i + 1.0, "val_loss": a, "val_accuracy": b, "loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1}
    for i, (a, b) in enumerate(VALUES)
]
BEST = [pytest.param("val_loss", 2, id="least loss"), pytest.param("val_accuracy", 3, id="first of equals")]


class Story:
    """A model whose only weight says how many epochs it has trained, and an observer that watches it."""

    def __init__(self, progress: Progress, **named: Any) -> None:
        import keras

        self.model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        self.saved: list[bool] = []
        optimizer = keras.optimizers.SGD(0.1)
        kept: dict[str, Any] = {"first_epoch": 1, "last_epoch": 4, "patience": 9} | named
        self.callbacks = [
            keeper(progress, model=self.model, optimizer=optimizer, save=self.saved.append, **kept),
            reporter(progress, optimizer=optimizer, n_pictures=10, last_epoch=kept["last_epoch"]),
        ]
        self.trained = keras.Sequential()
        for callback in self.callbacks:
            callback.set_model(self.trained)
            callback.set_params({"steps": 1})
            callback.on_train_begin()

    def epoch(self, number: int, values: tuple[float, float], loss: float = 1.0) -> bool:
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
        return bool(self.trained.stop_training)


@pytest.mark.parametrize(("monitor", "epoch"), BEST)
def test_keeps_the_best(monitor: str, epoch: int) -> None:
    heard: list[dict[str, float]] = []
    progress = Progress(monitor, on_epoch=heard.append)
    story = Story(progress)
    assert [story.epoch(i, values) for i, values in enumerate(VALUES)] == [False, False, False, True]
    assert float(progress.best_weights[0][0, 0]) == epoch
    assert find_best_row(progress.rows, monitor)["epoch"] == epoch
    assert progress.rows == heard
    assert [row["val_loss"] for row in heard] == [a for a, _ in VALUES]
    assert story.saved == [False, False, False, True]


@pytest.mark.parametrize(("monitor", "epoch"), BEST)
def test_best_row(monitor: str, epoch: int) -> None:
    assert find_best_row(ROWS, monitor)["epoch"] == epoch


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
    story = Story(Progress("val_loss"), patience=patience, first_epoch=first_epoch)
    for i, values in enumerate(VALUES):
        if story.epoch(i, values):
            break
    assert len(story.saved) == n_epochs
    assert story.saved[-1]


def test_goes_on_from_a_checkpoint() -> None:
    """The history is told again, and the best so far stays the best unless it is beaten."""
    before = Progress("val_loss")
    story = Story(before)
    for i, values in enumerate(VALUES[:3]):
        story.epoch(i, values)
    heard: list[dict[str, float]] = []
    after = Progress("val_loss", on_epoch=heard.append)
    after.restore(Checkpoint(before.state(), before.arrays()))
    assert heard == before.rows
    Story(after).epoch(3, VALUES[3])
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
    progress = Progress("val_loss")
    story = Story(progress)
    with pytest.raises(ModelError, match=message):
        story.epoch(0, (val_loss, 0.5), loss=loss)
    assert story.saved == []
    assert progress.best_weights == []


def test_the_average_is_validated_and_kept() -> None:
    import keras

    progress = Progress("val_loss")
    story = Story(progress)
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    optimizer.build(story.model.trainable_variables)
    watcher = keeper(
        progress,
        model=story.model,
        optimizer=optimizer,
        first_epoch=1,
        last_epoch=2,
        patience=9,
        save=story.saved.append,
    )
    story.model.set_weights([np.full((1, 1), 8.0)])
    optimizer._model_variables_moving_average[0].assign(np.full((1, 1), 4.0))
    watcher.on_test_begin()
    assert float(story.model.get_weights()[0][0, 0]) == 4
    watcher.on_test_end({"loss": 0.1, "accuracy": 1.0})
    assert float(story.model.get_weights()[0][0, 0]) == 8
    assert float(np.asarray(optimizer._model_variables_moving_average[0])[0, 0]) == 4
    assert float(progress.best_weights[0][0, 0]) == 4


def test_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert describe_epoch(ROWS[2], 30, 1210.4, 41.2) == (
        "epoch  3/30: loss 1.0000, accuracy 0.5000, val_loss 0.4000, val_accuracy 0.9000, 1,210/s, 41 s left"
    )
    Story(Progress("val_loss")).epoch(0, (0.5, 0.8))
    assert caplog.messages[-1].startswith("epoch  1/4: loss 1.0000, ")
