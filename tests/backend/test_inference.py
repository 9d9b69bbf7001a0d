"""inference: what is the same to the bit on every machine, and what to 1e-6."""

import os
from typing import Any

import numpy as np
import pytest

from pipeline.backend.inference import BATCH_SIZE, compute_outputs, switch_on_onednn


@pytest.fixture(scope="module")
def model() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    pictures = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Conv2D(16, 3)(keras.layers.Rescaling(1 / 255)(pictures))
    return keras.Model(pictures, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


@pytest.fixture(scope="module")
def pictures() -> Any:
    return np.random.default_rng(0).integers(0, 256, (2 * BATCH_SIZE, 8, 8, 1)).astype(np.uint8)


def test_the_same_pictures_give_the_same_bits(model: Any, pictures: Any) -> None:
    outputs = compute_outputs(model, pictures)
    assert outputs.dtype == np.float32
    assert np.array_equal(outputs, compute_outputs(model, pictures.copy()))


@pytest.mark.parametrize("n", [1, 5, BATCH_SIZE, BATCH_SIZE + 1])
def test_what_stands_beside_a_picture_changes_none_of_its_bits(n: int, model: Any, pictures: Any) -> None:
    """The first `n` keep their places; behind them stand other pictures, or none."""
    others = pictures[::-1].copy()
    others[:n] = pictures[:n]
    alone = compute_outputs(model, pictures[:n])
    assert np.array_equal(alone, compute_outputs(model, pictures)[:n])
    assert np.array_equal(alone, compute_outputs(model, others)[:n])


@pytest.mark.parametrize("n", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE])
def test_the_same_answer_in_any_place(n: int, model: Any, pictures: Any) -> None:
    """Without AVX-512 the place in a batch changes the last bit of some answers (TensorFlow 2.21)."""
    outputs = compute_outputs(model, pictures[-n:])
    np.testing.assert_allclose(outputs, compute_outputs(model, pictures)[-n:], rtol=0, atol=1e-6)
    np.testing.assert_allclose(outputs, np.asarray(model(pictures[-n:])), rtol=0, atol=1e-5)


def test_no_pictures(model: Any) -> None:
    assert compute_outputs(model, np.empty((0, 8, 8, 1), np.uint8)).shape == (0, 3)


def test_a_mirrored_view(model: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)
    mirrored = pictures[:, :, ::-1]
    assert np.array_equal(
        compute_outputs(model, mirrored), compute_outputs(model, np.ascontiguousarray(mirrored))
    )


@pytest.mark.parametrize(("said", "then"), [(None, "1"), ("0", "0")], ids=["unset", "switched off"])
def test_onednn_is_on_unless_it_was_switched_off(
    said: str | None, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if said is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", said)
    switch_on_onednn()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == then
