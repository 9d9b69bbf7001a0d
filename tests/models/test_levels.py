"""levels: the means of every stage's output stand before the last features."""

from typing import Any

import numpy as np
import pytest

from pipeline.models import build_model, find_backbone
from pipeline.models.applications import PREFIX
from pipeline.models.knobs import Knobs
from pipeline.models.levels import add_levels, find_stages


def build_network(*, has_additions: bool) -> Any:
    """8x8 pictures, two sizes, two features; with a residual addition at each size or none."""
    import keras

    pictures = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(2, 3, padding="same", name="first")(pictures)
    if has_additions:
        x = keras.layers.Add(name="add_first")([x, x])
    x = keras.layers.Conv2D(3, 3, strides=2, padding="same", name="second")(x)
    if has_additions:
        x = keras.layers.Add(name="add_second")([x, x])
        x = keras.layers.Add(name="add_third")([x, x])
    x = keras.layers.Conv2D(3, 1, name="last")(x)
    return keras.Model(pictures, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    ("has_additions", "names"),
    [(True, ["add_first", "add_third"]), (False, ["last"])],
    ids=["added", "plain"],
)
def test_a_stage_ends_where_the_next_begins(has_additions: bool, names: list[str]) -> None:
    network = build_network(has_additions=has_additions)
    stages = find_stages(network)
    assert [one is network.get_layer(name).output for one, name in zip(stages, names, strict=True)]


def test_the_means_stand_in_front() -> None:
    network = build_network(has_additions=True)
    wide = add_levels(network, find_stages(network))
    pictures = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    features = np.asarray(wide(pictures))
    assert features.shape == (4, 2 + 3 + 3)
    assert np.allclose(features[:, -3:], np.asarray(network(pictures)), atol=1e-6)
    import keras

    first = keras.Model(network.input, network.get_layer("add_first").output)
    assert np.allclose(features[:, :2], np.asarray(first(pictures)).mean(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "n_features"),
    [("efficientnet_lite0", 784 + 1280), (f"{PREFIX}VGG16", 128 + 256 + 512 + 512 + 512 + 512)],
)
def test_networks_with_a_backbone_have_levels(name: str, n_features: int) -> None:
    model = build_model(name, image_hw=(32, 32), channels=3, n_classes=3, knobs=Knobs(all_levels=True))
    assert find_backbone(model).output_shape == (None, n_features)
    y_prob = np.asarray(model(np.zeros((2, 32, 32, 3), np.uint8)))
    assert y_prob.sum(axis=1) == pytest.approx(1, abs=1e-5)
