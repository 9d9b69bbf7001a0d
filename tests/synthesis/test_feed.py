"""feed: every picture in each epoch, its order from (seed, epoch); large pictures are shrunk."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.pictures import Pictures, read_part
from pipeline.paths import Paths
from pipeline.synthesis.feed import RealBatches, find_small_shape, resize, shrink


def number(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Picture i shows i at its left and 0 at its right."""
    pictures = np.zeros((n, 4, 4, 1), np.uint8)
    pictures[:, :, 0, 0] = np.arange(n)[:, None]
    return pictures


def test_every_picture_equally_often() -> None:
    fed = RealBatches(number(100), seed=0, mirrored=False)
    assert len(fed) == 32
    shown = Counter(int(one[0, 0, 0]) for index in range(32) for one in fed[index][0])
    assert set(shown) == set(range(100))
    assert max(shown.values()) - min(shown.values()) <= 1
    assert len(RealBatches(number(200).repeat(20, 0), seed=0, mirrored=False)) == 63


def test_the_order_comes_from_seed_and_epoch() -> None:
    fed = RealBatches(number(100), seed=0, mirrored=True)
    first = fed[0][0]
    fed.set_epoch(1)
    assert not np.array_equal(fed[0][0], first)
    fed.set_epoch(0)
    assert np.array_equal(fed[0][0], first)
    n_mirrored = sum(one[0, -1, 0] > 0 for one in first)
    assert 16 < n_mirrored < 48
    plain = RealBatches(number(100), seed=0, mirrored=False)
    assert not any(one[0, -1, 0] for one in plain[0][0])


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        pytest.param((28, 28, 1), (28, 28, 1), id="small"),
        pytest.param((224, 224, 3), (64, 64, 3), id="large"),
        pytest.param((32, 128, 3), (16, 64, 3), id="long"),
    ],
)
def test_sizes(shape: tuple[int, int, int], small: tuple[int, int, int]) -> None:
    assert find_small_shape(shape) == small


def test_there_and_back(develop: Callable[..., Paths], tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 128).astype(np.uint8)[None, :, None, None].repeat(128, 2).repeat(3, 0)
    paths = develop(tmp_path, ramp, [0] * 3, ["train"] * 3, ["a"])
    part = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    small = shrink(Pictures((paths.shards, part)))
    assert small.shape == (3, 64, 64, 1)
    assert np.abs(resize(small, (128, 128, 1)).astype(int) - ramp).max() <= 6
    assert resize(small, (64, 64, 1)) is small
