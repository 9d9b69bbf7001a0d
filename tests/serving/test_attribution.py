"""Grad-CAM of networks made by hand: what they look at is known."""

from typing import Any

import numpy as np
import pytest

from pipeline.backend.anatomy import trace_steps
from pipeline.serving.attribution import attribute


def build_half_blind(*, ends_in: str) -> Any:
    """Class 0 where the left half is light, class 1 where the right half is; a convolution sees each half."""
    import keras

    pictures = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(pictures)
    position = keras.ops.convert_to_tensor(np.repeat([1.0, 0.0], 4).reshape(1, 1, 8, 1).astype(np.float32))
    halves = keras.layers.Concatenate()([x * position, x * (1 - position)])
    conv = keras.layers.Conv2D(2, 1, name="conv")
    x = keras.layers.GlobalAveragePooling2D()(conv(halves))
    n_units = 1 if ends_in == "sigmoid" else 2
    dense = keras.layers.Dense(n_units, activation="softmax" if ends_in == "dense" else None)
    y = dense(x)
    if ends_in == "sigmoid":
        y = keras.layers.Activation("softmax")(keras.ops.pad(y, ((0, 0), (1, 0))))
    if ends_in == "activation":
        y = keras.layers.Activation("softmax")(y)
    if ends_in == "other":
        y = keras.layers.Identity()(keras.ops.softmax(y))
    conv.set_weights([np.eye(2).reshape(1, 1, 2, 2), np.zeros(2)])
    dense.set_weights([np.array([[4.0, -4.0], [-4.0, 4.0]])[:, -n_units:], np.zeros(n_units)])
    return keras.Model(pictures, y)


@pytest.mark.parametrize("ends_in", ["activation", "dense", "other", "sigmoid"])
def test_it_lights_up_where_the_network_looks(ends_in: str) -> None:
    model = build_half_blind(ends_in=ends_in)
    pictures = np.full((2, 8, 8, 1), 200, np.uint8)
    heat = attribute(model, trace_steps(model, pictures[0]), pictures, np.array([0, 1]))
    assert heat is not None
    assert heat.shape == (2, 8, 8)
    assert heat[0, :, :4].min() == 1
    assert heat[0, :, 4:].max() == 0
    assert heat[1, :, :4].max() == 0
    assert heat[1, :, 4:].min() == 1


def test_through_a_network_in_a_network() -> None:
    import keras

    inner = build_half_blind(ends_in="activation")
    pictures = keras.Input((8, 8, 1), dtype="uint8")
    features = keras.Model(inner.input, inner.layers[-3].output, name="backbone")
    rest = keras.Sequential([keras.Input((2,)), inner.layers[-2]], name="head")
    model = keras.Model(pictures, keras.layers.Activation("softmax")(rest(features(pictures))))
    shown = np.full((1, 8, 8, 1), 200, np.uint8)
    heat = attribute(model, trace_steps(model, shown[0]), shown, np.array([0]))
    assert heat is not None
    assert heat[0, :, :4].min() == 1
    assert heat[0, :, 4:].max() == 0


def test_nothing_speaks_for_it() -> None:
    model = build_half_blind(ends_in="activation")
    black = np.zeros((1, 8, 8, 1), np.uint8)
    heat = attribute(model, trace_steps(model, black[0]), black, np.array([0]))
    assert heat is not None
    assert heat.max() == 0


def test_the_same_twice_and_alone() -> None:
    model = build_half_blind(ends_in="activation")
    pictures = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 1), np.uint8)
    steps, classes = trace_steps(model, pictures[0]), np.array([0, 1, 0, 1, 0])
    first, second = (attribute(model, steps, pictures, classes) for _ in range(2))
    alone = attribute(model, steps, pictures[3:4], classes[3:4])
    assert first is not None
    assert second is not None
    assert alone is not None
    assert np.array_equal(first, second)
    assert np.allclose(alone[0], first[3], atol=1e-5)


def test_no_convolution() -> None:
    import keras

    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    pictures = np.zeros((1, 8, 8, 1), np.uint8)
    assert attribute(model, trace_steps(model, pictures[0]), pictures, np.array([0])) is None
