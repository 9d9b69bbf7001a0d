"""What tests share: params of `augment` with all knobs off but some, and two dozen pictures to learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.pictures import Part
from pipeline.collection.shards import ShardWriter
from pipeline.params import AugmentParams, Params, TrainParams

Augment = Callable[..., AugmentParams]

N = 24  # pictures of `part`

OFF = {
    "flip": "none",
    **dict.fromkeys(
        ("rotation", "zoom", "shift", "shear", "contrast", "brightness", "noise", "grayscale", "erasing"), 0.0
    ),
    **dict.fromkeys(("rand_augment", "mixup", "cutmix", "fill_rare_to", "imperfect"), 0.0),
    "synthetic": 0,
}


@pytest.fixture(scope="session")
def augment(params_of: Callable[..., Params]) -> Augment:
    """`augment(zoom=0.1)`: the section with this knob turned, and no other."""

    def augment(**knobs: Any) -> AugmentParams:
        return params_of(augment=OFF | knobs).augment

    return augment


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Two dozen pictures, picture i of shade 10 i and class i % 3, from the last row of the shard up."""
    with ShardWriter(tmp_path, N, (8, 8, 1), N) as writer:
        for i in range(N):
            writer.write(0, N - 1 - i, np.full((8, 8, 1), 10 * i, np.uint8))
    ids = tuple(f"id-{i:02d}" for i in range(N))
    where = np.zeros(N, np.int64), N - 1 - np.arange(N)
    return Part(ids, *where, np.arange(N) % 3, group=tuple(f"scan {i // 2}" for i in range(N)))


@pytest.fixture
def params(params_of: Callable[..., Params]) -> TrainParams:
    small = {"model": "conv1", "epochs": 1, "batch_size": 8, "precision": "float32"}
    return params_of(train=small).train
