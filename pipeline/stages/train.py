"""train: the weights, chosen on validation pictures only.

Reads   data/clean/manifest.parquet and shards/, data/split/split.parquet and classes.json,
        data/augment/policy.json and extra/; checkpoints and features of an earlier run, in .darkroom/.
Writes  data/train/classifier/ (model.keras, classifier.json), history.csv (a row an epoch),
        figures/curves.png; live metrics `curve/...` and the packaged model in MLflow;
        .darkroom/ (checkpoints after each epoch, features of a frozen backbone, logs of TensorBoard).
Run     python -m pipeline.stages.train; DARKROOM_DEVICE=auto|cpu|gpu, DARKROOM_CACHE
Cost    importing Keras (about 8 s), then docs/benchmarks.md
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.backend import device
from pipeline.errors import DataError
from pipeline.figures import curves
from pipeline.params import Params
from pipeline.paths import Paths, written_whole
from pipeline.runner import Metrics, run_stage
from pipeline.serving.classifier import Settings, save_classifier
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.runs import Run
from pipeline.training.augmentations import read_policy
from pipeline.training.batches import Part, Pictures, read_extra, read_part
from pipeline.training.callbacks import CURVES, Row, best_row
from pipeline.training.checkpoints import Checkpoints, key_of
from pipeline.training.trainer import Places, fit

_BITS = {"float32": 32, "mixed_bfloat16": 16, "mixed_float16": 16}

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    device.set_up_device()
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
    precision = device.resolved_precision(params.train.precision)
    device.warn_where_emulated(precision)
    machine = device.description() | {"precision": precision}
    run.set_tags({f"train.{name}": str(value) for name, value in machine.items()})
    _log.info(
        "%s in %s: %d training pictures (%d of them extra), %d for validation",
        *(params.train.model, precision, len(pictures), len(extra), len(val)),
    )

    checkpoints = Checkpoints(paths.cache / "checkpoints", training_key(params, paths, machine))
    checkpoints.forget_others()
    with checkpoints.alone():
        model, history = fit(
            pictures,
            Pictures((paths.shards, val)),
            image_hw=params.clean.image_hw,
            channels=params.clean.channels,
            n_classes=len(class_names),
            policy=read_policy(paths.policy),
            params=params.train,
            places=Places(
                checkpoints=checkpoints,
                features=paths.cache / "features",
                tensorboard=paths.cache / "tensorboard" / checkpoints.key[:8]
                if params.train.tensorboard
                else None,
            ),
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
        test_mirror=params.train.test_mirror,
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
        "precision_bits": _BITS[precision],
        "train/loss": float(best["loss"]),
        "train/accuracy": float(best["accuracy"]),
        "val/loss": float(best["val_loss"]),
        "val/accuracy": float(best["val_accuracy"]),
    }


def training_key(params: Params, paths: Paths, machine: dict[str, Any]) -> str:
    """The name of this training: a hash of what dvc.yaml says it depends on, and of what computes it."""
    return key_of(
        {"inputs": Lineage(paths).inputs("train"), "train": params.train.model_dump(), "on": machine}
    )


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


def _write_history(history: list[Row], path: Path) -> None:
    table = pd.DataFrame(history, columns=["epoch", *CURVES]).astype({"epoch": int})
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    run_stage("train", main)
