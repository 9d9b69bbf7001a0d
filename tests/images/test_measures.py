"""Measures of pictures whose measures are known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.images.measures import measure_residues
from tests.images.scenes import encode, inspect_bytes


def test_measures() -> None:
    half = Image.new("L", (64, 64))
    half.paste(255, (0, 0, 64, 32))
    found = inspect_bytes(encode(half))
    assert found.brightness == pytest.approx(0.5)
    assert found.contrast == pytest.approx(0.5)


def frame(inside: int, frame: tuple[int, int, int], side: int = 32) -> NDArray[np.uint8]:
    picture = np.full((side, side, 3), inside, np.uint8)
    picture[0], picture[-1], picture[:, 0], picture[:, -1] = (frame,) * 4
    return picture


def test_measures_of_known_pictures() -> None:
    flat = measure_residues(frame(100, (100, 100, 100)))
    assert {flat[name] for name in ("contrast", "sharpness", "entropy", "colourfulness", "blockiness")} == {0}
    assert flat["brightness"] == flat["border_brightness"] == pytest.approx(100 / 255)
    yellow = measure_residues(frame(255, (200, 180, 120)))
    assert yellow["border_tint"] == pytest.approx(80 / 255)
    assert yellow["border_spread"] == 0
    assert yellow["share_white"] == pytest.approx((30 / 32) ** 2)
    stripes = np.zeros((32, 32, 1), np.uint8)
    stripes[:, ::2] = 255
    striped = measure_residues(stripes)
    assert (striped["entropy"], striped["contrast"]) == (1, 0.5)
    assert striped["sharpness"] == pytest.approx(510**2)


def test_measures_of_grey_are_those_of_the_same_in_colour() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 30, 1), np.uint8)
    assert measure_residues(grey) == pytest.approx(measure_residues(grey.repeat(3, axis=2)), abs=1e-6)


def test_blocks_and_padding_leave_their_mark() -> None:
    blocks = np.kron(np.random.default_rng(0).integers(50, 200, (4, 4)), np.ones((8, 8))).astype(np.uint8)
    assert measure_residues(blocks[..., None])["blockiness"] > 3
    padded = np.full((32, 32, 1), 255, np.uint8)
    padded[8:24] = 60
    assert measure_residues(padded)["content_aspect"] == 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (2, 2, 3), (9, 1, 1)])
def test_the_smallest_pictures_have_measures(shape: tuple[int, int, int]) -> None:
    assert all(np.isfinite(list(measure_residues(np.zeros(shape, np.uint8)).values())))
