"""models: the registry, and what every network takes and gives."""

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.models import FAMILIES, build_model


@pytest.mark.parametrize(
    ("name", "image_hw", "channels", "n_classes", "n_parameters"),
    [
        pytest.param("conv1", (28, 28), 1, 10, 693_962, id="conv1 as published"),
        pytest.param("conv2", (28, 28), 1, 10, 233_162, id="conv2, 28x28"),
        pytest.param("conv3", (28, 28), 1, 10, 688_266, id="conv3, 28x28"),
        pytest.param("conv4", (28, 28), 1, 10, 1_221_546, id="conv4 as published"),
        pytest.param("conv_gru", (28, 28), 1, 10, 4_034_026, id="conv_gru, 28x28"),
        pytest.param("conv_gru", (128, 128), 3, 5, 9_145_125, id="conv_gru, 128x128"),
        pytest.param("vgg_bn", (28, 28), 1, 10, 1_150_442, id="vgg_bn, 28x28"),
        pytest.param("compact", (32, 32), 3, 10, 71_034, id="compact, 32x32"),
        pytest.param("compact", (128, 128), 3, 5, 295_157, id="compact, 128x128"),
    ],
)
def test_parameters(
    name: str, image_hw: tuple[int, int], channels: int, n_classes: int, n_parameters: int
) -> None:
    """The counts that the docstrings state."""
    model = build_model(name, image_hw=image_hw, channels=channels, n_classes=n_classes)
    assert model.count_params() == n_parameters


@pytest.mark.parametrize(
    ("name", "image_hw", "channels"),
    [
        pytest.param("compact", (4, 4), 1, id="compact 4x4"),
        pytest.param("compact", (8, 8), 1, id="compact 8x8"),
        pytest.param("compact", (28, 28), 1, id="compact 28x28"),
        pytest.param("compact", (33, 65), 3, id="compact, not square, odd"),
        pytest.param("conv1", (4, 4), 1, id="conv1, smallest"),
        pytest.param("conv2", (12, 12), 1, id="conv2, smallest"),
        pytest.param("conv3", (12, 13), 3, id="conv3, smallest"),
        pytest.param("conv4", (16, 16), 3, id="conv4, smallest"),
        pytest.param("conv_gru", (8, 9), 3, id="conv_gru, smallest"),
        pytest.param("vgg_bn", (8, 8), 1, id="vgg_bn, smallest"),
    ],
)
def test_takes_uint8_and_gives_probabilities(name: str, image_hw: tuple[int, int], channels: int) -> None:
    model = build_model(name, image_hw=image_hw, channels=channels, n_classes=3)
    pictures = np.random.default_rng(0).integers(0, 256, (5, *image_hw, channels)).astype(np.uint8)
    y_prob = np.asarray(model(pictures))
    assert model.inputs[0].dtype == "uint8"
    assert y_prob.dtype == np.float32
    assert y_prob.shape == (5, 3)
    assert y_prob.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("side_px", [8, 28, 32, 64, 128, 224])
def test_compact_ends_small(side_px: int) -> None:
    """The last map before pooling is 4 to 7 pixels a side, whatever comes in."""
    model = build_model("compact", image_hw=(side_px, side_px), channels=3, n_classes=2)
    last = next(layer for layer in reversed(model.layers) if len(layer.output.shape) == 4)
    assert 4 <= last.output.shape[1] <= 7


@pytest.mark.parametrize(
    ("name", "image_hw", "message"),
    [
        pytest.param("compct", (8, 8), r"got 'compct'; did you mean compact\?", id="misspelt"),
        pytest.param("zzz", (8, 8), "allowed are compact, conv1, .*, vgg_bn, got 'zzz'$", id="nothing near"),
        pytest.param("", (8, 8), "got ''$", id="empty"),
        pytest.param("conv4", (32, 15), "conv4 needs sides of at least 16 pixels.*32x15", id="too small"),
    ],
)
def test_refuses(name: str, image_hw: tuple[int, int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_model(name, image_hw=image_hw, channels=1, n_classes=2)


def test_families_are_sorted() -> None:
    assert list(FAMILIES) == sorted(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_learns_in_an_epoch(name: str) -> None:
    """Every weight that can be trained moves, and the loss stays a number."""
    import keras

    keras.utils.set_random_seed(0)
    model = build_model(name, image_hw=(16, 16), channels=1, n_classes=2)
    y = np.arange(32) % 2
    noise = np.random.default_rng(0).integers(0, 100, (32, 16, 16, 1))
    pictures = (noise + 100 * y[:, None, None, None]).astype(np.uint8)
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    history = model.fit(pictures, y, batch_size=8, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert [
        w.path for w, b in zip(model.trainable_weights, before, strict=True) if np.array_equal(w, b)
    ] == []
