"""augmentations: layers for every knob, altered pictures, mixed labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import DataError
from pipeline.params import AugmentParams
from pipeline.training.augmentations import alter, build_augmenter, build_layers, build_mixers
from pipeline.training.policy import build_policy

Augment = Callable[..., AugmentParams]
Uint8 = npt.NDArray[np.uint8]

KNOBS = [
    pytest.param({"flip": "horizontal"}, "RandomFlip", id="flip"),
    pytest.param({"flip": "both"}, "RandomFlip", id="flip both ways"),
    pytest.param({"rotation": 0.2}, "RandomRotation", id="rotation"),
    pytest.param({"zoom": 0.5}, "RandomZoom", id="zoom"),
    pytest.param({"shift": 0.4}, "RandomTranslation", id="shift"),
    pytest.param({"shear": 0.5}, "RandomShear", id="shear"),
    pytest.param({"contrast": 0.8}, "RandomContrast", id="contrast"),
    pytest.param({"brightness": 0.5}, "RandomBrightness", id="brightness"),
    pytest.param({"noise": 0.2}, "GaussianNoise", id="noise"),
    pytest.param({"grayscale": 1.0}, "RandomGrayscale", id="grayscale"),
    pytest.param({"rand_augment": 0.3}, "RandAugment", id="rand_augment"),
    pytest.param({"erasing": 1.0}, "RandomErasing", id="erasing"),
]


def draw_gradient(n: int, channels: int) -> Uint8:
    """Pictures that differ in every row, column and channel."""
    rng = np.random.default_rng(0)
    return rng.integers(40, 200, (n, 12, 10, channels)).astype(np.uint8)


@pytest.mark.parametrize(("knobs", "class_name"), KNOBS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_knob_alters(augment: Augment, knobs: dict[str, Any], class_name: str, channels: int) -> None:
    policy = build_policy(augment(**knobs), channels=channels)
    pictures = draw_gradient(4, channels)
    altered = alter(pictures, layers=build_layers(policy), key="a")
    if channels == 1 and class_name == "RandomGrayscale":
        assert policy == []
        assert np.array_equal(altered, pictures)
        return
    assert class_name in [layer["class_name"] for layer in policy]
    assert altered.shape == pictures.shape
    assert altered.dtype == np.uint8
    assert not np.array_equal(altered, pictures)


def test_strengths(augment: Augment) -> None:
    """What a knob's number means, on pictures where it can be read off."""
    grey = np.full((64, 16, 16, 3), 128, np.uint8)
    noise = alter(grey, layers=build_layers(build_policy(augment(noise=0.1), channels=3)), key="a")
    assert noise.std() == pytest.approx(0.1 * 255, rel=0.03)
    light = alter(grey, layers=build_layers(build_policy(augment(brightness=0.2), channels=3)), key="a")
    shift = light.astype(float).mean(axis=(1, 2, 3)) - 128
    assert 40 < np.abs(shift).max() <= 51.5
    assert shift.min() < -30 < 30 < shift.max()
    erased = alter(grey * 0 + 9, layers=build_layers(build_policy(augment(erasing=0.5), channels=3)), key="a")
    assert 0.3 < (erased != 9).any(axis=(1, 2, 3)).mean() < 0.7


def test_edges_are_filled_from_the_picture(augment: Augment) -> None:
    white = np.full((8, 16, 16, 1), 255, np.uint8)
    params = augment(rotation=0.1, zoom=0.3, shift=0.3, shear=0.3)
    assert (alter(white, layers=build_layers(build_policy(params, channels=1)), key="a") == 255).all()


def test_a_knob_changes_no_other_ones_draws(augment: Augment) -> None:
    flat = np.full((8, 6, 6, 1), 100, np.uint8)  # geometry cannot be seen on it
    alone = build_policy(augment(brightness=0.3), channels=1)
    together = build_policy(augment(brightness=0.3, rotation=0.2, flip="both"), channels=1)
    assert len(together) == 3
    assert np.array_equal(
        alter(flat, layers=build_layers(alone), key="a"), alter(flat, layers=build_layers(together), key="a")
    )


def test_a_key_decides_alone(augment: Augment) -> None:
    knobs = {"rotation": 0.2, "brightness": 0.3, "noise": 0.1, "erasing": 0.5, "rand_augment": 0.3}
    policy = build_policy(augment(**knobs), channels=3)
    pictures = draw_gradient(3, 3)
    layers = build_layers(policy)
    first = alter(pictures[:1], layers=layers, key="id/0")
    alter(pictures[1:2], layers=layers, key="other/0")
    assert np.array_equal(first, alter(pictures[:1], layers=layers, key="id/0"))
    assert np.array_equal(first, alter(pictures[:1], layers=build_layers(policy), key="id/0"))
    assert not np.array_equal(first, alter(pictures[:1], layers=layers, key="id/1"))
    other_seed = build_policy(augment(**knobs, seed=1), channels=3)
    assert not np.array_equal(first, alter(pictures[:1], layers=build_layers(other_seed), key="id/0"))


def test_augmenter_is_active_in_training_only(augment: Augment) -> None:
    policy = build_policy(augment(flip="both", rotation=0.2, noise=0.2, erasing=1.0), channels=3)
    pictures = draw_gradient(8, 3)
    model = build_augmenter(policy, image_hw=(12, 10), channels=3)
    assert np.array_equal(np.asarray(model(pictures, training=False)), pictures)
    altered = np.asarray(model(pictures, training=True))
    assert altered.dtype == np.uint8
    assert not np.array_equal(altered, pictures)


@pytest.mark.parametrize("channels", [1, 3])
def test_rand_augment_in_a_compiled_graph(augment: Augment, channels: int) -> None:
    """As training calls it: also on grey pictures, and other draws each time."""
    model = build_augmenter(
        build_policy(augment(rand_augment=0.3), channels=channels), image_hw=(12, 10), channels=channels
    )
    pictures = draw_gradient(8, channels)
    first, second = (run_in_training(model, pictures) for _ in range(2))
    assert first.shape == pictures.shape
    assert not np.array_equal(first, pictures)
    assert not np.array_equal(first, second)


def run_in_training(model: Any, pictures: Uint8) -> Uint8:
    """What a model makes of pictures inside `fit`, compiled by whatever backend there is."""
    import keras

    class Told(keras.Model):  # type: ignore[misc]
        def call(self, x: Any, training: bool = False) -> Any:
            return keras.ops.cast(model(x, training=True), "float32")

    told = Told()
    told.compile()
    seen: Uint8 = np.asarray(told.predict_on_batch(pictures)).astype(np.uint8)
    return seen


def test_a_policy_without_picture_layers_costs_nothing(augment: Augment) -> None:
    policy = build_policy(augment(flip="alternating", mixup=0.2, cutmix=1.0), channels=3)
    assert build_layers(policy) == []
    model = build_augmenter(policy, image_hw=(12, 10), channels=3)
    assert [type(operation).__name__ for operation in model.operations] == ["InputLayer"]
    pictures = draw_gradient(3, 3)
    assert np.array_equal(np.asarray(model(pictures, training=True)), pictures)


@pytest.mark.parametrize(
    ("flip", "kinds"),
    [
        pytest.param("alternating", ["RandomRotation"], id="alternating"),
        pytest.param("none", ["RandomRotation"], id="none"),
        pytest.param("horizontal", ["RandomFlip", "RandomRotation"], id="horizontal"),
        pytest.param("both", ["RandomFlip", "RandomRotation"], id="both"),
    ],
)
def test_layers_of_a_flip(augment: Augment, flip: str, kinds: list[str]) -> None:
    """Mirroring by turns is no layer: batches do it."""
    layers = build_layers(build_policy(augment(flip=flip, rotation=0.1), channels=3))
    assert [type(layer).__name__ for layer in layers] == kinds


MIXERS = [
    pytest.param({"mixup": 0.4}, ["MixUp"], id="mixup"),
    pytest.param({"mixup": 2.0}, ["MixUp"], id="mixup, much"),
    pytest.param({"cutmix": 1.0}, ["CutMix"], id="cutmix"),
    pytest.param({"mixup": 0.2, "cutmix": 0.5}, ["MixUp", "CutMix"], id="both"),
    pytest.param({"rotation": 0.1, "flip": "alternating"}, [], id="neither"),
]


@pytest.mark.parametrize(("knobs", "names"), MIXERS)
def test_mixers(augment: Augment, knobs: dict[str, Any], names: list[str]) -> None:
    layers = build_mixers(build_policy(augment(**knobs), channels=3))
    assert [type(layer).__name__ for layer in layers] == names
    assert all(layer.compute_dtype == "float32" for layer in layers)
    strengths = [
        layer.alpha if name == "MixUp" else layer.factor for name, layer in zip(names, layers, strict=True)
    ]
    alphas = [knobs[name.lower()] for name in names]  # CutMix takes an interval, here of no width
    assert strengths == [a if name == "MixUp" else (a, a) for name, a in zip(names, alphas, strict=True)]


def mix(layer: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Sixteen pictures, each of its own class and shade, after a layer."""
    shades = np.arange(16, dtype=np.float32)[:, None, None, None] * np.ones((1, 12, 10, 3), np.float32)
    both = layer({"images": shades, "labels": np.eye(16, dtype=np.float32)}, training=True)
    return np.asarray(both["images"]), np.asarray(both["labels"])


@pytest.mark.parametrize("knobs", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=["mixup", "cutmix"])
def test_labels_are_mixed_as_pictures_are(augment: Augment, knobs: dict[str, Any]) -> None:
    (layer,) = build_mixers(build_policy(augment(**knobs), channels=3))
    images, labels = mix(layer)
    assert labels.sum(axis=1) == pytest.approx(1)
    assert (labels.max(axis=1) < 0.95).sum() > 4
    # A label names shades by their shares, so it tells the mean shade: to the pixel where a rectangle begins.
    off = 1e-4 if "mixup" in knobs else 2.5
    assert np.abs(images.mean(axis=(1, 2, 3)) - labels @ np.arange(16)).max() < off
    images_2, _ = mix(layer)
    assert not np.array_equal(images, images_2)


@pytest.mark.parametrize("knobs", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=["mixup", "cutmix"])
def test_what_a_mixer_has_drawn_is_in_its_variables(augment: Augment, knobs: dict[str, Any]) -> None:
    """A training that continues from a checkpoint mixes as it would have."""
    policy = build_policy(augment(**knobs), channels=3)
    (layer,), (resumed,) = build_mixers(policy), build_mixers(policy)
    first = mix(layer)
    state = [np.asarray(variable) for variable in layer.variables]
    second = mix(layer)
    for variable, value in zip(resumed.variables, state, strict=True):
        variable.assign(value)
    assert all(np.array_equal(a, b) for a, b in zip(mix(resumed), second, strict=True))
    (again,), (other,) = (
        build_mixers(policy),
        build_mixers(build_policy(augment(**knobs, seed=1), channels=3)),
    )
    assert np.array_equal(mix(again)[0], first[0])
    assert not np.array_equal(mix(other)[0], first[0])


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"class_name": "RandomNothing", "config": {}}, id="no such layer"),
        pytest.param({"class_name": "RandomFlip", "config": {"much": 1}}, id="no such setting"),
        pytest.param({"class_name": "RandomRotation", "config": {"factor": 7}}, id="out of range"),
    ],
)
def test_layers_that_keras_refuses(entry: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=f"{entry['class_name']} cannot be built"):
        build_layers([entry])
