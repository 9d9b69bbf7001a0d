"""What Keras calls while a network trains: history, best weights, early stopping, checkpoints, log lines."""

import logging
import math
import time
from typing import Any

import keras
import numpy as np

from pipeline.backend.memory import keep_freed_memory
from pipeline.errors import ModelError
from pipeline.training.history import CURVES, Row, find_best_row
from pipeline.training.state import TrainingState

_LINE_EVERY_S = 10.0
_LOOK_EVERY = 16  # batches

_log = logging.getLogger(__name__)


class EpochKeeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds one row per epoch to the state, keeps the best weights of `model`, saves, and stops early.

    With a moving average of the weights, the average is validated and kept.

    Args:
        last_epoch: of this phase (from 1), if it does not stop early.
        patience: epochs without a better value, after which it stops.
    """

    def __init__(
        self, state: TrainingState, *, model: Any, optimizer: Any, last_epoch: int, patience: int
    ) -> None:
        super().__init__()
        self._state, self._kept, self._optimizer = state, model, optimizer
        self._last_epoch, self._patience = last_epoch, patience
        self._inner = getattr(optimizer, "inner_optimizer", optimizer)  # float16 wraps it in a loss scale

    def on_test_begin(self, logs: Any = None) -> None:
        """Swap the averages in, so that they are validated."""
        swap_averages(self._inner)

    def on_test_end(self, logs: Any = None) -> None:
        """Keep the weights if they are the best so far, and swap the averages out."""
        value = float(logs[self._state.monitor.removeprefix("val_")])
        if self._state.is_best(value):
            self._state.best_value, self._state.best_weights = value, self._kept.get_weights()
        swap_averages(self._inner)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the epoch, decide whether it was the last, and save."""
        row = {"epoch": float(epoch + 1)} | {name: float(logs[name]) for name in CURVES[:4]}
        row["learning_rate"] = read_rate(self._optimizer)
        if not math.isfinite(row["val_loss"]):
            raise ModelError(
                explain_not_a_number(epoch + 1, "val_loss", row["val_loss"], row["learning_rate"])
            )
        self._state.add(row)
        best_epoch = int(find_best_row(self._state.rows, self._state.monitor)["epoch"])
        n_waited = epoch + 1 - max(best_epoch, self._state.phase_start)
        is_last = epoch + 1 == self._last_epoch or n_waited >= self._patience
        self.model.stop_training = is_last
        self._state.save(self.model, is_done=is_last)


class EpochReporter(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs the progress of a training of `n_pictures` per epoch, and stops it if its loss is no number."""

    def __init__(self, state: TrainingState, *, optimizer: Any, n_pictures: int, last_epoch: int) -> None:
        super().__init__()
        self._state, self._optimizer = state, optimizer
        self._n_pictures, self._last_epoch = n_pictures, last_epoch
        self._n_before = len(state.rows)

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._start_s = self._line_s = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        self._epoch_s = time.monotonic()
        self._latest = self._seen = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """End the epoch soon after its loss is not finite; log the progress of a long epoch.

        The loss is a mean over the epoch, so it stays not finite. Reading it waits for the device. So it is
        read of a batch that is long done, while the device has others to do.
        """
        n_epoch = len(self._state.rows) + 1
        if batch == 0:
            keep_freed_memory()
        self._latest = logs["loss"]
        if batch % _LOOK_EVERY == 0:
            if not math.isfinite(float(self._seen)):
                self.model.stop_training = True
            self._seen = self._latest
        now_s = time.monotonic()
        if now_s - self._line_s >= _LINE_EVERY_S:
            self._line_s = now_s
            n_done = (batch + 1) * self._n_pictures // self.params["steps"]
            speed = n_done / (now_s - self._epoch_s)
            _log.info("epoch %d: %d of %d pictures, %.0f/s", n_epoch, n_done, self._n_pictures, speed)

    def on_test_begin(self, logs: Any = None) -> None:
        """Stop if the loss of the epoch is not finite. On JAX, variables have values between epochs only."""
        if not math.isfinite(loss := float(self._latest)):
            n_epoch, rate = len(self._state.rows) + 1, read_rate(self._optimizer)
            raise ModelError(explain_not_a_number(n_epoch, "loss", loss, rate))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the values of the epoch."""
        self._line_s = time.monotonic()
        n_done = epoch + 1 - self._n_before
        left_s = (self._line_s - self._start_s) / n_done * (self._last_epoch - epoch - 1)
        speed = self._n_pictures / (self._line_s - self._epoch_s)
        _log.info("%s", describe_epoch(self._state.rows[-1], self._last_epoch, speed, left_s))


class EpochOrder(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the training batches which epoch begins, so that each has its own order."""

    def __init__(self, batches: Any) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Put the pictures into the order of this epoch."""
        self._batches.set_epoch(epoch)


def swap_averages(optimizer: Any) -> None:
    """Swap the moving averages of an optimizer with the weights; without averages, do nothing."""
    if getattr(optimizer, "use_ema", False):
        pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
        for weight, average in pairs:
            kept = np.array(weight)
            weight.assign(average)
            average.assign(kept)


def read_rate(optimizer: Any) -> float:
    """The learning rate of the next step."""
    return float(np.asarray(optimizer.learning_rate))


def explain_not_a_number(epoch: int, name: str, value: float, learning_rate: float) -> str:
    """The error text for a loss that is infinite or not a number."""
    return (
        f"the {name} is {float(value):g} in epoch {epoch} at learning rate {learning_rate:g}; lower"
        " train.learning_rate, or lengthen train.warmup_epochs"
    )


def describe_epoch(row: Row, n_epochs: int, speed: float, left_s: float) -> str:
    """The log line of an epoch: "epoch  3/30: loss 0.5120, accuracy 0.8710, ..., 1,210/s, 41 s left"."""
    values = ", ".join(f"{name} {row[name]:.4f}" for name in CURVES[:4])
    return f"epoch {row['epoch']:2.0f}/{n_epochs}: {values}, {speed:,.0f}/s, {left_s:.0f} s left"
