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

from pipeline.backend.device import describe_machine, share_batches
from pipeline.backend.memory import forget_models, keep_freed_memory
from pipeline.backend.streaming import choose_jit, stream
from pipeline.collection.pictures import Pictures
from pipeline.errors import ModelError
from pipeline.synthesis.adversaries import Adversaries, HingeLoss, PartOfLoss, Uint8, make_pictures, settle
from pipeline.synthesis.feed import RealBatches, find_small_shape, shrink
from pipeline.synthesis.network import build_critic, build_generator
from pipeline.synthesis.request import Request
from pipeline.synthesis.verdict import N_ON_SHEET
from pipeline.training.callbacks import EpochOrder, swap_averages
from pipeline.training.checkpoints import Checkpoints, hash_training
from pipeline.training.state import list_variables

_LEARNING_RATE, _BETA_1, _BETA_2 = 3e-4, 0.0, 0.99
_EMA = 0.995
CURVES = ("critic_loss", "generator_loss")

Row = dict[str, float]
OnEpoch = Callable[[Row], None]
OnSheet = Callable[[int, Uint8], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a generator learns; `mirrored`: pictures may be seen mirrored left to right."""

    epochs: int
    seed: int
    mirrored: bool


@dataclass
class Learning:
    """A generator in training: its model, its history, and where both are kept."""

    model: Adversaries
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

    def make_pictures(self, n: int, seed: int) -> Uint8:
        """Pictures by the averaged weights; training then continues with its own."""
        swap_averages(self.model.optimizer)
        settle(self.model.generator, seed)
        made = make_pictures(self.model.generator, n, seed=seed)
        swap_averages(self.model.optimizer)
        return made


def open_checkpoints(request: Request, settings: Settings, cache: Path) -> Checkpoints:
    """Where this training is kept: equal pictures, settings, code and machine continue, others do not."""
    code = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        code.update(file.read_bytes())
    key = {
        "pictures": request.hash_pictures(),
        "settings": asdict(settings),
        "code": code.hexdigest(),
        "on": describe_machine(),
    }
    return Checkpoints(cache / "synthesis", hash_training(key))


def learn(
    pictures: Pictures,
    settings: Settings,
    *,
    checkpoints: Checkpoints,
    sheet_every: int,
    on_epoch: OnEpoch,
    on_sheet: OnSheet,
) -> Learning:
    """Train a generator, or continue the same training where it was interrupted.

    Args:
        on_epoch: called with each row of the history (epoch and CURVES), also of earlier processes.
        on_sheet: called every few epochs, and after the last one, with the epoch and some pictures.

    Raises:
        ModelError: the loss is no longer a number.
    """
    checkpoints.forget_others()
    forget_models()
    keras.utils.set_random_seed(settings.seed)
    with share_batches(), checkpoints.alone():
        fed = RealBatches(shrink(pictures), seed=settings.seed, mirrored=settings.mirrored)
        state = Learning(build_model(find_small_shape(pictures.picture_shape), settings), checkpoints, [])
        state.restore()
        for row in state.rows:
            on_epoch(row)
        keeper = Keeper(state, settings, sheet_every, on_epoch, on_sheet)
        if len(state.rows) < settings.epochs:
            state.model.fit(
                stream(fed),
                initial_epoch=len(state.rows),
                epochs=settings.epochs,
                verbose=0,
                shuffle=False,  # `fed` shuffles; Keras would use Python's global generator
                callbacks=[EpochOrder(fed), keeper],
            )
    return state


def build_model(picture_shape: tuple[int, int, int], settings: Settings) -> Adversaries:
    """The model with its optimizer; all variables of both exist."""
    model = Adversaries(build_generator(picture_shape), build_critic(picture_shape), seed=settings.seed)
    optimizer = keras.optimizers.Adam(
        _LEARNING_RATE, beta_1=_BETA_1, beta_2=_BETA_2, use_ema=True, ema_momentum=_EMA
    )
    parts = [PartOfLoss(name=name) for name in CURVES]
    model.compile(optimizer=optimizer, loss=HingeLoss(), metrics=parts, jit_compile=choose_jit())
    model(np.zeros((2, *picture_shape), np.uint8))
    optimizer.build(model.trainable_variables)
    return model


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
        row = {"epoch": float(epoch + 1)} | {name: float(logs[name]) for name in CURVES}
        self._state.rows.append(row)
        self._state.save()
        self._on_epoch(row)
        an_epoch_s = (time.monotonic() - self._start_s) / (epoch + 1 - self._n_before)
        n_left = self._settings.epochs - epoch - 1
        _log.info(
            "epoch %3d/%d: critic_loss %.4f, generator_loss %.4f, %.0f s left",
            *(epoch + 1, self._settings.epochs, *(row[name] for name in CURVES), n_left * an_epoch_s),
        )
        if (epoch + 1) % self._sheet_every == 0 or epoch + 1 == self._settings.epochs:
            self._on_sheet(epoch + 1, self._state.make_pictures(N_ON_SHEET, self._settings.seed))
