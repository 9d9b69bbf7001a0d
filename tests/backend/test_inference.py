"""inference: a picture's outputs do not depend on what stands beside it, or on how many there are."""

from typing import Any

import numpy as np
import pytest

from pipeline.backend.inference import BATCH_SIZE, compute_outputs


@pytest.fixture(scope="module")
def model() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    pictures = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Conv2D(16, 3)(keras.layers.Rescaling(1 / 255)(pictures))
    return keras.Model(pictures, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize("n", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE])
def test_the_same_bits_in_any_company(n: int, model: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2 * BATCH_SIZE, 8, 8, 1)).astype(np.uint8)
    outputs = compute_outputs(model, pictures[-n:])
    assert outputs.dtype == np.float32
    assert np.array_equal(outputs, compute_outputs(model, pictures)[-n:])
    assert outputs == pytest.approx(np.asarray(model(pictures[-n:])), abs=1e-5)


def test_no_pictures(model: Any) -> None:
    assert compute_outputs(model, np.empty((0, 8, 8, 1), np.uint8)).shape == (0, 3)


def test_a_mirrored_view(model: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)
    mirrored = pictures[:, :, ::-1]
    assert np.array_equal(
        compute_outputs(model, mirrored), compute_outputs(model, np.ascontiguousarray(mirrored))
    )
