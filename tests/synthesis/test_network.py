"""network: pictures of every size come out at their size; the critic takes them."""

import numpy as np
import pytest

from pipeline.synthesis.network import N_NOISE, build_critic, build_generator


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((8, 8, 1), id="digits"),
        pytest.param((28, 28, 1), id="Fashion-MNIST"),
        pytest.param((64, 37, 3), id="not square"),
        pytest.param((3, 5, 3), id="tiny"),
    ],
)
def test_of_any_size(shape: tuple[int, int, int]) -> None:
    generator, critic = build_generator(shape), build_critic(shape)
    assert generator.input_shape == (None, N_NOISE)
    made = np.asarray(generator(np.ones((2, N_NOISE), np.float32)))
    assert made.shape == (2, *shape)
    assert np.abs(made).max() <= 1
    assert np.asarray(critic(made)).shape == (2, 1)
