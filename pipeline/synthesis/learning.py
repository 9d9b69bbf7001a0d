"""The training of a generator: epochs with a checkpoint each, and sheets of samples."""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.backend import precision
from pipeline.backend.device import describe_machine, share_batches
from pipeline.backend.memory import keep_freed_memory
from pipeline.backend.streaming import choose_jit, stream
from pipeline.collection.pictures import Pictures
from pipeline.errors import ModelError
from pipeline.synthesis.feed import BATCH_SIZE, AlteredBatches
from pipeline.synthesis.flow import FlowModel, SquaredError, Uint8, draw_pictures
from pipeline.synthesis.network import N_ALTERATIONS, build_network
from pipeline.synthesis.request import Request
from pipeline.training.callbacks import EpochOrder, swap_averages
from pipeline.training.checkpoints import Checkpoints, hash_training
from pipeline.training.optimizers import build_optimizer
from pipeline.training.state import list_variables

_LEARNING_RATE, _WEIGHT_DECAY, _EMA = 2e-3, 0.01, 0.999
_WARMUP_STEPS = 100
_N_STEPS = 12  # from noise to a picture
_N_STEPS_OF_SHEET, N_ON_SHEET = 8, 48

Row = dict[str, float]
OnEpoch = Callable[[Row], None]
OnSheet = Callable[[int, Uint8], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a generator learns."""

    epochs: int
    seed: int


@dataclass
class Learning:
    """A generator in training: its model, its history, and where both are kept."""

    model: FlowModel
    checkpoints: Checkpoints
    rows: list[Row]

    def save(self) -> None:
        """Write a checkpoint: all variables of model and optimizer, and the history."""
        arrays = {f"now/{i}": np.asarray(value) for i, value in enumerate(list_variables(self.model))}
        self.checkpoints.save({"rows": self.rows}, arrays)

    def restore(self) -> None:
        """Continue from the last checkpoint, if there is one."""
        found = self.checkpoints.load()
        if found is None:
            return
        for number, variable in enumerate(list_variables(self.model)):
            variable.assign(found.arrays[f"now/{number}"])
        self.rows += found.state["rows"]
        _log.info("continuing after epoch %d, from %s", len(self.rows), self.checkpoints.path)


def open_checkpoints(request: Request, settings: Settings, cache: Path) -> Checkpoints:
    """Where this training is kept: equal pictures, settings, code and machine continue, others do not."""
    code = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        code.update(file.read_bytes())
    return Checkpoints(
        cache / "synthesis",
        hash_training(
            {
                "pictures": request.hash_pictures(),
                "settings": asdict(settings),
                "code": code.hexdigest(),
                "on": describe_machine() | {"precision": precision.resolve_precision("auto")},
            }
        ),
    )


def learn(
    pictures: Pictures,
    settings: Settings,
    *,
    checkpoints: Checkpoints,
    sheet_every: int,
    on_epoch: OnEpoch,
    on_sheet: OnSheet,
) -> Any:
    """Train a generator, or continue the same training where it was interrupted.

    Args:
        on_epoch: called with each row of the history (epoch, loss, learning_rate), also of earlier processes.
        on_sheet: called every few epochs, and after the last one, with the epoch and some pictures.

    Returns:
        The network with averaged weights, for `make_pictures`.

    Raises:
        ModelError: the loss is no longer a number.
    """
    checkpoints.forget_others()
    keras.utils.set_random_seed(settings.seed)
    policy = precision.resolve_precision("auto")
    with share_batches(), precision.use_precision(policy), checkpoints.alone():
        fed = AlteredBatches(pictures, seed=settings.seed)
        state = Learning(build_model(pictures, settings, len(fed)), checkpoints, [])
        state.restore()
        for row in state.rows:
            on_epoch(row)
        keeper = Keeper(state, settings, sheet_every, on_epoch, on_sheet)
        if len(state.rows) < settings.epochs:
            fed.set_epoch(len(state.rows))
            state.model.fit(
                stream(fed),
                initial_epoch=len(state.rows),
                epochs=settings.epochs,
                verbose=0,
                shuffle=False,  # `fed` shuffles; Keras would use Python's global generator
                callbacks=[EpochOrder(fed), keeper],
            )
    swap_averages(state.model.optimizer)
    return state.model.network


def build_model(pictures: Pictures, settings: Settings, n_steps_an_epoch: int) -> FlowModel:
    """The model with its optimizer; all variables of both exist."""
    model = FlowModel(build_network(pictures.picture_shape), seed=settings.seed)
    n_steps = settings.epochs * n_steps_an_epoch
    optimizer = build_optimizer(
        "adamw",
        learning_rate=_LEARNING_RATE,
        schedule="cosine",
        n_steps=n_steps,
        n_warmup_steps=min(_WARMUP_STEPS, n_steps // 2),
        momentum=0.0,
        weight_decay=_WEIGHT_DECAY,
        ema=min(_EMA, 1 - 10 / max(n_steps, 20)),  # a short training is not averaged with its beginning
    )
    model.compile(optimizer=optimizer, loss=SquaredError(), jit_compile=choose_jit())
    nothing = np.zeros((1, *pictures.picture_shape), np.uint8)
    model({"pictures": nothing, "alterations": np.zeros((1, N_ALTERATIONS), np.float32)})
    optimizer.build(model.trainable_variables)
    return model


def make_pictures(network: Any, n: int, seed: int) -> Uint8:
    """Pictures of a trained generator, uint8 [n, height, width, channels]."""
    return draw_pictures(network, n, seed=seed, n_steps=_N_STEPS)


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """After each epoch: its row, a checkpoint, a log line, and every few epochs a sheet."""

    def __init__(
        self, state: Learning, settings: Settings, sheet_every: int, on_epoch: OnEpoch, on_sheet: OnSheet
    ) -> None:
        super().__init__()
        self._state, self._settings, self._sheet_every = state, settings, sheet_every
        self._on_epoch, self._on_sheet = on_epoch, on_sheet

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._start_s, self._n_before = time.monotonic(), len(self._state.rows)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop if the loss is no number."""
        if batch == 0:
            keep_freed_memory()
        if not np.isfinite(float(logs["loss"])):
            raise ModelError(
                f"the loss is {float(logs['loss']):g} in epoch {len(self._state.rows) + 1}; "
                "another --seed may help"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the epoch, save, and draw a sheet if it is time."""
        rate = float(np.asarray(self._state.model.optimizer.learning_rate))
        row = {"epoch": float(epoch + 1), "loss": float(logs["loss"]), "learning_rate": rate}
        self._state.rows.append(row)
        self._state.save()
        self._on_epoch(row)
        an_epoch_s = (time.monotonic() - self._start_s) / (epoch + 1 - self._n_before)
        speed, n_left = self.params["steps"] * BATCH_SIZE / an_epoch_s, self._settings.epochs - epoch - 1
        _log.info(
            "epoch %3d/%d: loss %.4f, %.0f pictures/s, %.0f s left",
            *(epoch + 1, self._settings.epochs, row["loss"], speed, n_left * an_epoch_s),
        )
        if (epoch + 1) % self._sheet_every == 0 or epoch + 1 == self._settings.epochs:
            self._draw_sheet(epoch + 1)

    def _draw_sheet(self, epoch: int) -> None:
        swap_averages(self._state.model.optimizer)
        network, seed = self._state.model.network, self._settings.seed
        drawn = draw_pictures(network, N_ON_SHEET, seed=seed, n_steps=_N_STEPS_OF_SHEET)
        swap_averages(self._state.model.optimizer)
        self._on_sheet(epoch, drawn)
