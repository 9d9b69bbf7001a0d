"""alterations: each picture its own, of the same shape, and gradients go through."""

import keras
import numpy as np
import pytest

from pipeline.synthesis.alterations import alter


@pytest.mark.parametrize("channels", [1, 3])
def test_each_picture_its_own(channels: int) -> None:
    pictures = np.random.default_rng(0).uniform(-1, 1, (1, 16, 12, channels)).astype(np.float32)
    altered = np.asarray(alter(pictures.repeat(4, axis=0), keras.random.SeedGenerator(0)))
    assert altered.shape == (4, 16, 12, channels)
    assert len({one.tobytes() for one in altered}) == 4
    again = np.asarray(alter(pictures.repeat(4, axis=0), keras.random.SeedGenerator(0)))
    assert np.array_equal(altered, again)


def test_a_picture_is_moved_and_has_a_hole() -> None:
    """A ramp from left to right: what is hidden is 0, what is left is a ramp still."""
    ramp = np.linspace(-1, 1, 32, dtype=np.float32)[None, None, :, None].repeat(32, 1)
    altered = np.asarray(alter(ramp.repeat(32, 0), keras.random.SeedGenerator(0)))[..., 0]
    hidden = (altered == 0).mean(axis=(1, 2))
    assert hidden.min() > 0
    assert hidden.max() <= 0.26
    steps = np.diff(altered, axis=2)
    assert (steps[altered[:, :, 1:] * altered[:, :, :-1] != 0] >= -1e-6).all()
