"""train: the weights, chosen on validation pictures only.

Reads   data/clean/manifest.parquet and shards/, data/split/split.parquet and classes.json,
        data/augment/policy.json and extra/.
Writes  data/train/classifier/ (model.keras, classifier.json), history.csv (a row an epoch),
        figures/curves.png; live metrics `curve/...` and the packaged model in MLflow.
Run     python -m pipeline.stages.train; DARKROOM_DEVICE=auto|cpu|gpu
Cost    importing Keras (about 8 s), then on two CPU cores with `compact` and the default augmentation some
        1,500 pictures a second at 32x32 and 250 at 128x128, in 0.9 and 1.3 GB of memory
"""

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.augmentations import Policy, augmenter, read_policy
from pipeline.classifier import Settings, save_classifier
from pipeline.device import set_up_device
from pipeline.errors import DataError, ModelError
from pipeline.feed import Part, Pictures, batches, class_weights, read_extra, read_part
from pipeline.figures import curves
from pipeline.models import build_model
from pipeline.params import Params, TrainParams
from pipeline.paths import Paths, written_whole
from pipeline.runner import Metrics, run_stage
from pipeline.runs import Run

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
_LINE_EVERY_S = 10.0

Row = dict[str, float]

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    set_up_device()
    class_names = json.loads(paths.classes.read_text(encoding="utf-8"))
    train, val = (
        read_part(name, split_path=paths.split, manifest_path=paths.clean_manifest)
        for name in ("train", "val")
    )
    check_classes(train, "train", class_names)
    check_classes(val, "val", class_names)
    extra = read_extra(paths.extra)
    pictures = Pictures((paths.shards, train), (paths.extra, extra))
    run.log_dataset("split", paths.split, "train, val")
    run.log_dataset("clean", paths.clean_manifest, "train, val")
    _log.info(
        "%s: %d training pictures (%d of them extra), %d for validation",
        *(params.train.model, len(pictures), len(extra), len(val)),
    )

    model, history = fit(
        pictures,
        Pictures((paths.shards, val)),
        image_hw=params.clean.image_hw,
        channels=params.clean.channels,
        n_classes=len(class_names),
        policy=read_policy(paths.policy),
        params=params.train,
        on_epoch=lambda row: run.log_metrics({f"curve/{c}": row[c] for c in CURVES}, int(row["epoch"])),
    )
    best = best_row(history, params.train.monitor)
    # Each by name, so that a threshold of clean that changes no pixel trains nothing again.
    settings = Settings(
        class_names=tuple(class_names),
        image_hw=params.clean.image_hw,
        channels=params.clean.channels,
        fit=params.clean.fit,
        resample=params.clean.resample,
        equalise=params.clean.equalise,
        formats=params.validate_.formats,
        max_pixels=params.validate_.max_pixels,
    )
    save_classifier(model, settings, paths.classifier)
    _write_history(history, paths.history)
    curves(history, best_epoch=int(best["epoch"]), path=paths.figures("train") / "curves.png")
    run.log_artifact(paths.history)
    run.log_artifact(paths.figures("train"), "figures")
    run.log_classifier(paths.classifier)
    return {
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "n_parameters": int(model.count_params()),
        "n_train": len(pictures),
        "n_val": len(val),
        "train/loss": float(best["loss"]),
        "train/accuracy": float(best["accuracy"]),
        "val/loss": float(best["val_loss"]),
        "val/accuracy": float(best["val_accuracy"]),
    }


def fit(
    pictures: Pictures,
    val: Pictures,
    *,
    image_hw: tuple[int, int],
    channels: int,
    n_classes: int,
    policy: Policy,
    params: TrainParams,
    on_epoch: Callable[[Row], None] = lambda row: None,
) -> tuple[Any, list[Row]]:
    """Train a network from scratch; the same arguments give the same weights on a CPU.

    Augmentation, class weights and label smoothing act on training batches; the model that comes back
    holds none of them.

    Args:
        on_epoch: called after every epoch with the row of its history.

    Returns:
        The `keras.Model` with the weights of its best epoch, and a row an epoch (from 1): epoch, and CURVES.

    Raises:
        ModelError: no such network, or the loss is no longer a number.
    """
    import keras

    keras.utils.set_random_seed(params.seed)
    model = build_model(params.model, image_hw=image_hw, channels=channels, n_classes=n_classes)
    raw = keras.Input((*image_hw, channels), dtype="uint8")
    trained = keras.Model(raw, model(augmenter(policy, image_hw=image_hw, channels=channels)(raw)))
    weights = class_weights(pictures.y, n_classes) if params.class_weights else None
    fed = batches(
        pictures,
        n_classes=n_classes,
        batch_size=params.batch_size,
        weights=weights,
        shuffle_seed=params.seed,
    )
    trained.compile(
        optimizer=optimizer(params, n_steps_an_epoch=len(fed)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=params.label_smoothing),
        metrics=["accuracy"],
    )
    rows: list[Row] = []
    trained.fit(
        fed,
        validation_data=batches(val, n_classes=n_classes, batch_size=params.batch_size),
        epochs=params.epochs,
        verbose=0,
        callbacks=[
            _observer(rows, params, n_pictures=len(pictures), on_epoch=on_epoch),
            keras.callbacks.EarlyStopping(
                params.monitor,
                patience=params.patience,
                mode=_mode(params.monitor),
                restore_best_weights=True,
            ),
        ],
    )
    return model, rows


def optimizer(params: TrainParams, *, n_steps_an_epoch: int) -> Any:
    """The optimizer that the params name, with its schedule; biases and batch norms do not decay."""
    import keras

    rate: Any = params.learning_rate
    if params.schedule == "cosine":
        n_warmup = min(params.warmup_epochs, params.epochs - 1) * n_steps_an_epoch
        rate = keras.optimizers.schedules.CosineDecay(
            rate / n_warmup if n_warmup else rate,
            decay_steps=params.epochs * n_steps_an_epoch - n_warmup,
            warmup_target=rate if n_warmup else None,
            warmup_steps=n_warmup,
        )
    if params.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    adamw = keras.optimizers.AdamW(rate, weight_decay=params.weight_decay)
    adamw.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return adamw


def best_row(history: list[Row], monitor: str) -> Row:
    """The first epoch with the best value of what is monitored: the one whose weights were kept."""
    sign = 1 if _mode(monitor) == "min" else -1
    return min(history, key=lambda row: sign * row[monitor])


def check_classes(part: Part, name: str, class_names: list[str]) -> None:
    """Raise DataError unless a part has pictures of every class."""
    counts = np.bincount(part.y, minlength=len(class_names))
    missing = [class_names[i] for i in np.flatnonzero(counts == 0)]
    if missing:
        raise DataError(
            f"{name} has no picture of {len(missing)} of {len(class_names)} classes"
            f" ({', '.join(missing[:5])}); add pictures of them, merge them in data.classes, or change the"
            " shares or the seed of split"
        )


def _observer(
    rows: list[Row], params: TrainParams, *, n_pictures: int, on_epoch: Callable[[Row], None]
) -> Any:
    """A Keras callback that adds a row an epoch, reports it, and stops a training gone wrong."""
    import keras

    class Observer(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            self.start_s = self.line_s = time.monotonic()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch_s = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now_s = time.monotonic()
            if now_s - self.line_s >= _LINE_EVERY_S:
                self.line_s = now_s
                n_done = (batch + 1) * n_pictures // self.params["steps"]
                rate = n_done / (now_s - self.epoch_s)
                _log.info("epoch %d: %d of %d pictures, %.0f/s", len(rows) + 1, n_done, n_pictures, rate)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = {"epoch": float(epoch + 1)} | {name: float(logs[name]) for name in CURVES[:4]}
            row["learning_rate"] = float(self.model.optimizer.learning_rate)
            _check_loss(row)
            rows.append(row)
            self.line_s = time.monotonic()
            _log.info(
                "%s",
                _line(row, params.epochs, n_pictures, self.line_s - self.epoch_s, self.line_s - self.start_s),
            )
            on_epoch(row)

    return Observer()


def _check_loss(row: Row) -> None:
    if not (math.isfinite(row["loss"]) and math.isfinite(row["val_loss"])):
        raise ModelError(
            f"the loss is {row['loss']:g} ({row['val_loss']:g} in validation) after epoch {row['epoch']:.0f}"
            f" at learning rate {row['learning_rate']:g}; lower train.learning_rate, or lengthen"
            " train.warmup_epochs"
        )


def _line(row: Row, n_epochs: int, n_pictures: int, epoch_s: float, elapsed_s: float) -> str:
    """ "epoch  3/30: loss 0.512, accuracy 0.871, val_loss 0.448, val_accuracy 0.893, 1,210/s, 41 s left"."""
    values = ", ".join(f"{name} {row[name]:.4f}" for name in CURVES[:4])
    left_s = elapsed_s / row["epoch"] * (n_epochs - row["epoch"])
    return (
        f"epoch {row['epoch']:2.0f}/{n_epochs}: {values}, {n_pictures / epoch_s:,.0f}/s, {left_s:.0f} s left"
    )


def _mode(monitor: str) -> str:
    return "min" if monitor.endswith("loss") else "max"


def _write_history(history: list[Row], path: Path) -> None:
    table = pd.DataFrame(history, columns=["epoch", *CURVES]).astype({"epoch": int})
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    run_stage("train", main)
