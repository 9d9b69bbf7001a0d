"""Rows as MLflow hands them out, answers of theirs, and what augment leaves, made up."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.collection.pictures import EXTRA_MANIFEST
from pipeline.collection.shards import ShardWriter
from pipeline.evidence.answers import build_answers
from pipeline.paths import Paths
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import build_table, write_table

N_TEST = 100
NAMES = ["cat", "dog"]


def make_run(
    name: str,
    id_: str,
    *,
    params: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    **metrics: float,
) -> Any:
    """An `mlflow.entities.Run`."""
    from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

    info = RunInfo(id_, "1", "me", "FINISHED", 1_764_000_000_000, None, "active", run_name=name)
    data = RunData(
        metrics=[Metric(key, value, 0, 0) for key, value in {"curve/loss": 1.0, **metrics}.items()],
        params=[Param(key, value) for key, value in (params or {}).items()],
        tags=[RunTag(key, value) for key, value in (tags or {}).items()],
    )
    return Run(info, data)


def write_answers(
    folder: Path, n_right: int, *, first: int = 0, n: int = N_TEST, names: list[str] = NAMES
) -> tuple[Path, Path]:
    """The answers to `n` images from number `first` on, the first `n_right` of them right."""
    y = np.arange(n) % 2
    y_pred = np.where(np.arange(n) < n_right, y, 1 - y)
    y_prob = np.eye(2, dtype=np.float32)[y_pred]
    ids = [f"{number + first:05d}" for number in range(n)]
    predictions, classes = folder / "evaluate" / "predictions.parquet", folder / "split" / "classes.json"
    write_table(build_answers(ids, ids, y, y_prob, names), predictions)
    classes.parent.mkdir(parents=True, exist_ok=True)
    classes.write_text(json.dumps(names))
    return predictions, classes


def write_no_extra(paths: Paths) -> None:
    """What the stage augment leaves where it makes no copies of 8x8 grey pictures."""
    with ShardWriter(paths.extra, 0, (8, 8, 1), 1):
        pass
    write_table(build_table([], EXTRA, sort_by="id"), paths.extra / EXTRA_MANIFEST)
