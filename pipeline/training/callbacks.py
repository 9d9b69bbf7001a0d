"""What is watched while a network trains: history, best weights, whether to stop, and when to save."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.backend.device import keep_freed_memory
from pipeline.errors import ModelError
from pipeline.training.checkpoints import Checkpoint

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
_LINE_EVERY_S = 10.0

Row = dict[str, float]

_log = logging.getLogger(__name__)


@dataclass
class Progress:
    """The epochs done, and the weights of the best of them by `monitor` (val_loss | val_accuracy)."""

    monitor: str
    on_epoch: Callable[[Row], None] = lambda row: None
    rows: list[Row] = field(default_factory=list)
    best_value: float | None = None
    best_weights: list[npt.NDArray[Any]] = field(default_factory=list)

    def is_best(self, value: float) -> bool:
        """Whether a value is better than all before; a tie is not."""
        if self.best_value is None:
            return math.isfinite(value)
        return value < self.best_value if mode(self.monitor) == "min" else value > self.best_value

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.on_epoch(row)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it as JSON."""
        return {"rows": self.rows, "best_value": self.best_value}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What a checkpoint holds of it as arrays."""
        return {f"best/{i}": value for i, value in enumerate(self.best_weights)}

    def restore(self, found: Checkpoint) -> None:
        """Be as it was when the checkpoint was written."""
        self.best_value = found.state["best_value"]
        n_weights = sum(name.startswith("best/") for name in found.arrays)
        self.best_weights = [found.arrays[f"best/{i}"] for i in range(n_weights)]
        for row in found.state["rows"]:
            self.add(row)


def mode(monitor: str) -> str:
    """Whether less ("min") or more ("max") of it is better."""
    return "min" if monitor.endswith("loss") else "max"


def best_row(history: list[Row], monitor: str) -> Row:
    """The first epoch with the best value of what is monitored: the one whose weights were kept."""
    sign = 1 if mode(monitor) == "min" else -1
    return min(history, key=lambda row: sign * row[monitor])


def keeper(
    progress: Progress,
    *,
    model: Any,
    optimizer: Any,
    first_epoch: int,
    last_epoch: int,
    patience: int,
    save: Callable[[bool], None],
) -> Any:
    """A Keras callback that adds a row an epoch, keeps the best weights of `model`, and stops in time.

    With a moving average of the weights, it is the average that is validated and kept.

    Args:
        first_epoch, last_epoch: of this phase (from 1), if it does not stop early.
        save: called after every epoch with whether it was the last.
    """
    import keras

    inner = getattr(optimizer, "inner_optimizer", optimizer)  # under a loss scale (float16)

    class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
        def on_test_begin(self, logs: Any = None) -> None:
            swap_averages(inner)

        def on_test_end(self, logs: Any = None) -> None:
            value = float(logs[progress.monitor.removeprefix("val_")])
            if progress.is_best(value):
                progress.best_value, progress.best_weights = value, model.get_weights()
            swap_averages(inner)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = {"epoch": float(epoch + 1)} | {name: float(logs[name]) for name in CURVES[:4]}
            row["learning_rate"] = rate_of(optimizer)
            if not math.isfinite(row["val_loss"]):
                raise ModelError(not_a_number(epoch + 1, "val_loss", row["val_loss"], row["learning_rate"]))
            progress.add(row)
            best_epoch = int(best_row(progress.rows, progress.monitor)["epoch"])
            is_last = epoch + 1 == last_epoch or epoch + 1 - max(best_epoch, first_epoch - 1) >= patience
            self.model.stop_training = is_last
            save(is_last)

    return Keeper()


def reporter(progress: Progress, *, optimizer: Any, n_pictures: int, last_epoch: int) -> Any:
    """A Keras callback that logs how far a training of `n_pictures` an epoch is, and stops one gone wrong."""
    import keras

    n_before = len(progress.rows)

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            self.start_s = self.line_s = time.monotonic()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch_s = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            n_epoch = len(progress.rows) + 1
            if batch == 0:
                keep_freed_memory()
            if not math.isfinite(float(logs["loss"])):
                raise ModelError(not_a_number(n_epoch, "loss", logs["loss"], rate_of(optimizer)))
            now_s = time.monotonic()
            if now_s - self.line_s >= _LINE_EVERY_S:
                self.line_s = now_s
                n_done = (batch + 1) * n_pictures // self.params["steps"]
                rate = n_done / (now_s - self.epoch_s)
                _log.info("epoch %d: %d of %d pictures, %.0f/s", n_epoch, n_done, n_pictures, rate)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.line_s = time.monotonic()
            left_s = (self.line_s - self.start_s) / (epoch + 1 - n_before) * (last_epoch - epoch - 1)
            rate = n_pictures / (self.line_s - self.epoch_s)
            _log.info("%s", line(progress.rows[-1], last_epoch, rate, left_s))

    return Reporter()


def swap_averages(optimizer: Any) -> None:
    """The moving averages of an optimizer for the weights themselves, or back; nothing where it has none."""
    if getattr(optimizer, "use_ema", False):
        pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
        for weight, average in pairs:
            kept = np.array(weight)
            weight.assign(average)
            average.assign(kept)


def rate_of(optimizer: Any) -> float:
    """The learning rate of the next step."""
    return float(np.asarray(optimizer.learning_rate))


def not_a_number(epoch: int, name: str, value: float, learning_rate: float) -> str:
    return (
        f"the {name} is {float(value):g} in epoch {epoch} at learning rate {learning_rate:g}; lower"
        " train.learning_rate, or lengthen train.warmup_epochs"
    )


def line(row: Row, n_epochs: int, rate: float, left_s: float) -> str:
    """ "epoch  3/30: loss 0.512, accuracy 0.871, val_loss 0.448, val_accuracy 0.893, 1,210/s, 41 s left"."""
    values = ", ".join(f"{name} {row[name]:.4f}" for name in CURVES[:4])
    return f"epoch {row['epoch']:2.0f}/{n_epochs}: {values}, {rate:,.0f}/s, {left_s:.0f} s left"
