"""Which value is black and which is white in a deep picture."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.images.depths import Scale, Stated, apply_scale, find_scale, make_eight_bits

SHARES = np.random.default_rng(0).random(4000)


def fill(values: NDArray[Any], share: float, value: float) -> NDArray[Any]:
    """Values of which a share is replaced."""
    changed = values.copy()
    changed[: int(len(changed) * share)] = value
    return changed


@pytest.mark.parametrize(
    ("values", "stated", "expected"),
    [
        pytest.param((SHARES * 4095).astype("u2"), Stated(16), Scale(0, 4095, True), id="12 in 16"),
        pytest.param((SHARES * 16383).astype("u2"), Stated(16), Scale(0, 65535), id="14 in 16 may be 16"),
        pytest.param((SHARES * 9e8).astype("u4"), Stated(32), Scale(0, 2**32 - 1), id="32"),
        pytest.param((SHARES * 4095).astype("u2"), Stated(12), Scale(0, 4095), id="12"),
        pytest.param(np.zeros(9, "u2"), Stated(16), Scale(0, 255), id="black"),
        pytest.param((SHARES * 9e4).astype("u4"), Stated(32, 0, 2**17 - 1), Scale(0, 2**17 - 1), id="stated"),
        pytest.param((SHARES * 32767).astype("i2"), Stated(16), Scale(0, 32767), id="signed"),
        pytest.param(SHARES, Stated(64), Scale(0, 1), id="fractions"),
        pytest.param(SHARES * 1000, Stated(64), Scale(0, 1023, True), id="to 1000"),
        pytest.param(
            fill(SHARES, 0.3, -9999), Stated(64), Scale(0, 1, False, (-9999,)), id="-9999 for a third"
        ),
        pytest.param(
            fill(fill(SHARES, 0.3, -9999), 0.1, -3.4e38),
            Stated(64),
            Scale(0, 1, False, (-3.4e38, -9999)),
            id="two values that are none",
        ),
        pytest.param(fill(SHARES, 0.0005, 60), Stated(64), Scale(0, 1), id="an outlier"),
        pytest.param(fill(SHARES, 0.5, np.nan), Stated(64), Scale(0, 1), id="half is no number"),
        pytest.param(np.full(9, np.nan), Stated(64), Scale(0, 1), id="nothing is a number"),
        pytest.param(np.full(9, -5.0), Stated(64), Scale(-5, -5, True), id="one value"),
        pytest.param(fill(SHARES * 0 - 1, 0.5, 1), Stated(64), Scale(-1, 1, True), id="two values"),
        pytest.param(SHARES, Stated(64, -1, 3), Scale(-1, 3), id="stated floats"),
    ],
)
def test_scales(values: NDArray[Any], stated: Stated, expected: Scale) -> None:
    assert find_scale(values, stated) == expected


def test_what_is_stretched_lies_between_percentiles() -> None:
    scale = find_scale(SHARES * 40 - 20, Stated(64))
    assert scale.is_guessed
    assert scale.black == pytest.approx(-20, abs=0.1)
    assert scale.white == pytest.approx(20, abs=0.1)


def test_the_order_of_values_does_not_matter() -> None:
    values = fill(SHARES * 40 - 20, 0.001, 1e9)
    assert find_scale(values, Stated(64)) == find_scale(values[::-1], Stated(64))


@pytest.mark.parametrize("values", [[-1e308, 0, 1e308], [5e-324, 0, 0], [np.inf, -np.inf, np.nan]])
def test_extreme_floats(values: list[float]) -> None:
    made = make_eight_bits(np.array(values * 9), Stated(64))
    assert made.pixels.shape == (27,)


def test_pixels_without_a_value_are_black() -> None:
    pixels, has_holes = apply_scale(np.array([0.0, np.nan, 1.0, -9.0]), Scale(0, 1, nodata=(-9.0,)))
    assert (pixels.tolist(), has_holes) == ([0, 0, 255, 0], True)
