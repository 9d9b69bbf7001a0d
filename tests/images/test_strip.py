"""Strips: pictures side by side, of one height, in their own proportions and colours."""

import numpy as np
import pytest

from pipeline.images.strip import make_strip


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param((3, 8, 8, 3), (40, 3 * 40 + 2 * 6, 3), id="enlarged"),
        pytest.param((2, 200, 100, 1), (40, 2 * 20 + 6, 1), id="reduced, grey, in proportion"),
        pytest.param((1, 40, 40, 3), (40, 40, 3), id="one"),
    ],
)
def test_a_strip(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    shades = np.arange(1, shape[0] + 1, dtype=np.uint8) * 50
    pictures = np.broadcast_to(shades[:, None, None, None], shape).copy()
    strip = make_strip(pictures, height_px=40)
    assert strip.shape == expected
    width = (expected[1] + 6) // shape[0]
    for at, shade in enumerate(shades):
        assert (strip[:, at * width : (at + 1) * width - 6] == shade).all()
    assert (strip[:, width - 6 : width] == 255).all()
