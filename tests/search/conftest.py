"""A small collection as the chain leaves it: three shades, ten sources, a quarter of it tested."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.paths import Paths
from pipeline.training.policy import write_policy

N = 60


@pytest.fixture
def developed(tmp_path: Path, develop: Callable[..., Paths]) -> Paths:
    """Picture i is of class i % 3, and easy to tell; every fourth is of the test set."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 3
    noise = rng.integers(0, 60, (N, 8, 8, 1))
    pictures = (noise + 80 * y[:, None, None, None]).astype(np.uint8)
    splits = ["test" if i % 4 == 3 else "val" if i % 4 == 2 else "train" for i in range(N)]
    paths = develop(tmp_path / "project", pictures, y, splits, ["black", "grey", "white"])
    write_policy([], paths.policy)
    return paths
