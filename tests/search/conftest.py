"""A small collection as the chain leaves it: three shades, ten sources, a quarter of it tested."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.pictures import EXTRA_MANIFEST
from pipeline.collection.shards import Shards, ShardWriter
from pipeline.paths import Paths
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import build_table, write_table
from pipeline.training.policy import write_policy
from tests.conftest import values_with

N = 60


@pytest.fixture
def developed(tmp_path: Path, develop: Callable[..., Paths], monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Picture i is of class i % 3, and easy to tell; every fourth is of the test set."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)  # of the project, whatever a wider fixture uses
    rng = np.random.default_rng(0)
    y = np.arange(N) % 3
    noise = rng.integers(0, 60, (N, 8, 8, 1))
    pictures = (noise + 80 * y[:, None, None, None]).astype(np.uint8)
    splits = ["test" if i % 4 == 3 else "val" if i % 4 == 2 else "train" for i in range(N)]
    paths = develop(tmp_path / "project", pictures, y, splits, ["black", "grey", "white"])
    write_policy([], paths.policy)
    return paths


@pytest.fixture
def params_values(params_of: Callable[..., Any]) -> dict[str, Any]:
    """The values of the repository's params.yaml, for tiny networks."""
    small = {"model": "conv1", "epochs": 2, "batch_size": 8, "precision": "float32", "warmup_epochs": 0}
    return values_with(train=small, augment={"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "contrast": 0.0})


@pytest.fixture
def augmented(developed: Paths) -> Paths:
    """The small collection as augment leaves it, without extra pictures."""
    pixels = Shards(developed.shards).picture_shape
    with ShardWriter(developed.extra, 0, pixels, 1):
        pass
    write_table(build_table([], EXTRA, sort_by="id"), developed.extra / EXTRA_MANIFEST)
    return developed
