"""What tests of synthesis share: a small class of pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.paths import Paths
from pipeline.synthesis.request import Request, ask

NAMES = ["dark", "light"]


@pytest.fixture
def small(develop: Callable[..., Paths], tmp_path: Path) -> Paths:
    """Twenty pictures of 8x8, every other one of each class; the last four are for val and test."""
    y = np.arange(20) % 2
    rng = np.random.default_rng(0)
    pictures = (150 * y[:, None, None, None] + rng.integers(0, 60, (20, 8, 8, 1))).astype(np.uint8)
    splits = ["train"] * 16 + ["val", "val", "test", "test"]
    return develop(tmp_path / "made", pictures, y, splits, NAMES)


@pytest.fixture
def request_of(small: Paths) -> Request:
    return ask(small, "light")
