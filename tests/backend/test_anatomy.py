"""Anatomy: what enters and leaves the layers of networks, however they lie inside each other."""

from typing import Any

import numpy as np
import pytest

from pipeline.backend.anatomy import (
    collect_inputs,
    count_multiplications,
    find_convolutions,
    find_embedding,
    find_maps,
    list_leaves,
    read_filters,
    trace_steps,
    watch,
)


def make_pictures(n: int, *, side: int = 8) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)


def build_nested() -> Any:
    """A network in a network: a convolution, the mean, and two dense layers."""
    import keras

    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, padding="same", name="conv")])
    pictures = keras.Input((8, 8, 3), dtype="uint8")
    x = inner(keras.layers.Rescaling(1 / 255, name="scale")(pictures))
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = keras.layers.Dense(5, activation="relu", name="hidden")(x)
    x = keras.layers.Dense(2, name="last")(x)
    return keras.Model(pictures, keras.layers.Activation("softmax", name="out")(x))


def test_steps_in_their_order() -> None:
    model, pictures = build_nested(), make_pictures(3)
    steps = trace_steps(model, pictures[1])
    assert [step.layer.name for step in steps][-6:] == ["scale", "conv", "mean", "hidden", "last", "out"]
    assert [step.left.shape for step in steps][-5:] == [(8, 8, 4), (4,), (5,), (2,), (2,)]
    assert np.allclose(steps[-1].left, model.predict_on_batch(pictures)[1], atol=1e-6)
    assert find_embedding(steps).name == "last"
    maps = find_maps(steps)
    assert maps is not None
    assert maps.layer.name == "conv"
    assert [step.layer.name for step in find_convolutions(steps)] == ["conv"]
    assert count_multiplications(steps) == 64 * (9 * 3 * 4) + 4 * 5 + 5 * 2
    filters = read_filters(maps.layer)
    assert filters is not None
    assert filters.shape == (3, 3, 3, 4)
    assert read_filters(steps[-1].layer) is None


def test_what_enters_a_layer() -> None:
    """Of more pictures than enter at once; each as if it were alone."""
    import keras

    model, pictures = build_nested(), make_pictures(40)
    found = collect_inputs(model, model.get_layer("last"), pictures)
    assert found.shape == (40, 5)
    inner = keras.Model(model.input, model.get_layer("last").input)
    assert np.allclose(found, inner.predict_on_batch(pictures), atol=1e-5)
    assert np.allclose(collect_inputs(model, model.get_layer("last"), pictures[39:]), found[39:], atol=1e-5)


def test_what_enters_a_layer_of_a_head() -> None:
    """Features are not whole numbers."""
    import keras

    features = np.random.default_rng(0).random((40, 6), np.float32)
    head = keras.Sequential([keras.Input((6,)), keras.layers.Rescaling(2.0), keras.layers.Dense(3)])
    layer = find_embedding(trace_steps(head, features[0]))
    assert np.allclose(collect_inputs(head, layer, features), 2 * features)


def test_a_network_is_left_as_it_was() -> None:
    model, pictures = build_nested(), make_pictures(4)
    before = model.predict_on_batch(pictures)
    with (
        pytest.raises(ZeroDivisionError),
        watch(list_leaves(model), lambda layer, entered, left: left * (1 / 0)),
    ):
        model(pictures)
    assert not any("call" in vars(layer) for layer in list_leaves(model))
    assert np.array_equal(model.predict_on_batch(pictures), before)
    assert np.array_equal(np.asarray(model(pictures)), np.asarray(model(pictures)))


def test_a_layer_that_two_networks_share() -> None:
    import keras

    shared = keras.layers.Conv2D(3, 1, name="shared")
    first, second = (keras.Sequential([keras.Input((8, 8, 3)), shared]) for _ in range(2))
    pictures = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(second(first(pictures)))
    model = keras.Model(pictures, keras.layers.Dense(2)(means))
    steps = trace_steps(model, make_pictures(1)[0])
    assert [step.layer.name for step in steps].count("shared") == 2
    assert "call" not in vars(shared)


def test_no_convolution_and_no_dense_layer() -> None:
    import keras

    flat = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    assert find_maps(trace_steps(flat, make_pictures(1)[0])) is None
    layers = [keras.layers.Conv2D(2, 1), keras.layers.GlobalAveragePooling2D(name="mean")]
    pooled = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    assert find_embedding(trace_steps(pooled, make_pictures(1)[0])).name == "mean"


def test_pictures_of_one_pixel() -> None:
    import keras

    layers = [keras.layers.Conv2D(2, 1), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((1, 1, 3)), *layers])
    assert find_maps(trace_steps(model, make_pictures(1, side=1)[0])) is None
