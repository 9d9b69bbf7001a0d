"""augmentations: a policy and its file, layers for every knob, altered pictures, extra copies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.augmentations import (
    alter,
    augmenter,
    build_layers,
    extra_copies,
    policy_of,
    read_policy,
    write_policy,
)
from pipeline.errors import DataError, ParamsError
from pipeline.params import AugmentParams, Params

Augment = Callable[..., AugmentParams]
Uint8 = npt.NDArray[np.uint8]

OFF = {
    "flip": "none",
    **dict.fromkeys(
        ("rotation", "zoom", "shift", "shear", "contrast", "brightness", "noise", "grayscale", "erasing"), 0.0
    ),
    "fill_rare_to": 0.0,
}
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
    pytest.param({"erasing": 1.0}, "RandomErasing", id="erasing"),
]


@pytest.fixture(scope="module")
def augment(params_of: Callable[..., Params]) -> Augment:
    def augment(**knobs: Any) -> AugmentParams:
        return params_of(augment=OFF | knobs).augment

    return augment


def gradient(n: int, channels: int) -> Uint8:
    """Pictures that differ in every row, column and channel."""
    rng = np.random.default_rng(0)
    return rng.integers(40, 200, (n, 12, 10, channels)).astype(np.uint8)


@pytest.mark.parametrize(("knobs", "class_name"), KNOBS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_knob_alters(augment: Augment, knobs: dict[str, Any], class_name: str, channels: int) -> None:
    policy = policy_of(augment(**knobs), channels=channels)
    pictures = gradient(4, channels)
    altered = alter(pictures, layers=build_layers(policy), key="a")
    if channels == 1 and class_name == "RandomGrayscale":
        assert policy == []
        assert np.array_equal(altered, pictures)
        return
    assert class_name in [layer["class_name"] for layer in policy]
    assert altered.shape == pictures.shape
    assert altered.dtype == np.uint8
    assert not np.array_equal(altered, pictures)


def test_zero_is_off(augment: Augment) -> None:
    assert policy_of(augment(), channels=3) == []


def test_strengths(augment: Augment) -> None:
    """What a knob's number means, on pictures where it can be read off."""
    grey = np.full((64, 16, 16, 3), 128, np.uint8)
    noise = alter(grey, layers=build_layers(policy_of(augment(noise=0.1), channels=3)), key="a")
    assert noise.std() == pytest.approx(0.1 * 255, rel=0.03)
    light = alter(grey, layers=build_layers(policy_of(augment(brightness=0.2), channels=3)), key="a")
    shift = light.astype(float).mean(axis=(1, 2, 3)) - 128
    assert 40 < np.abs(shift).max() <= 51.5
    assert shift.min() < -30 < 30 < shift.max()
    erased = alter(grey * 0 + 9, layers=build_layers(policy_of(augment(erasing=0.5), channels=3)), key="a")
    assert 0.3 < (erased != 9).any(axis=(1, 2, 3)).mean() < 0.7


def test_edges_are_filled_from_the_picture(augment: Augment) -> None:
    white = np.full((8, 16, 16, 1), 255, np.uint8)
    params = augment(rotation=0.1, zoom=0.3, shift=0.3, shear=0.3)
    assert (alter(white, layers=build_layers(policy_of(params, channels=1)), key="a") == 255).all()


def test_a_knob_changes_no_other_ones_draws(augment: Augment) -> None:
    flat = np.full((8, 6, 6, 1), 100, np.uint8)  # geometry cannot be seen on it
    alone = policy_of(augment(brightness=0.3), channels=1)
    together = policy_of(augment(brightness=0.3, rotation=0.2, flip="both"), channels=1)
    assert len(together) == 3
    assert np.array_equal(
        alter(flat, layers=build_layers(alone), key="a"), alter(flat, layers=build_layers(together), key="a")
    )


def test_a_key_decides_alone(augment: Augment) -> None:
    policy = policy_of(augment(rotation=0.2, brightness=0.3, noise=0.1, erasing=0.5), channels=3)
    pictures = gradient(3, 3)
    layers = build_layers(policy)
    first = alter(pictures[:1], layers=layers, key="id/0")
    alter(pictures[1:2], layers=layers, key="other/0")
    assert np.array_equal(first, alter(pictures[:1], layers=layers, key="id/0"))
    assert np.array_equal(first, alter(pictures[:1], layers=build_layers(policy), key="id/0"))
    assert not np.array_equal(first, alter(pictures[:1], layers=layers, key="id/1"))
    other_seed = policy_of(augment(rotation=0.2, brightness=0.3, noise=0.1, erasing=0.5, seed=1), channels=3)
    assert not np.array_equal(first, alter(pictures[:1], layers=build_layers(other_seed), key="id/0"))


def test_augmenter_is_active_in_training_only(augment: Augment) -> None:
    policy = policy_of(augment(flip="both", rotation=0.2, noise=0.2, erasing=1.0), channels=3)
    pictures = gradient(8, 3)
    model = augmenter(policy, image_hw=(12, 10), channels=3)
    assert np.array_equal(np.asarray(model(pictures, training=False)), pictures)
    altered = np.asarray(model(pictures, training=True))
    assert altered.dtype == np.uint8
    assert not np.array_equal(altered, pictures)


def test_policy_file(augment: Augment, tmp_path: Path) -> None:
    policy = policy_of(augment(flip="both", zoom=0.1, noise=0.1, erasing=0.2), channels=3)
    path = tmp_path / "policy.json"
    write_policy(policy, path)
    first = path.read_bytes()
    write_policy(policy, path)
    assert path.read_bytes() == first
    assert read_policy(path) == policy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "does not exist; run `dvc repro augment`", id="missing"),
        pytest.param("[{", "is not JSON", id="cut off"),
        pytest.param('{"a": 1}', "is not a list of layers", id="no list"),
        pytest.param('[{"class_name": "RandomFlip"}]', "is not a list of layers", id="no config"),
    ],
)
def test_damaged_policy_file(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_policy(path)


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


@pytest.mark.parametrize(
    ("counts", "fill", "expected"),
    [
        pytest.param({0: 10, 1: 4}, 1.0, {1: 6}, id="all equal"),
        pytest.param({0: 10, 1: 4}, 0.5, {1: 1}, id="half"),
        pytest.param({0: 10, 1: 4}, 0.45, {1: 1}, id="rounded up"),
        pytest.param({0: 10, 1: 1}, 1.0, {1: 9}, id="one picture, nine copies"),
        pytest.param({0: 10, 1: 4}, 0.4, {}, id="enough already"),
        pytest.param({0: 10, 1: 4}, 0.0, {}, id="off"),
        pytest.param({}, 1.0, {}, id="no picture"),
    ],
)
def test_extra_copies(
    augment: Augment, counts: dict[int, int], fill: float, expected: dict[int, int]
) -> None:
    ids = [f"{c}-{i}" for c, n in counts.items() for i in range(n)]
    classes = [c for c, n in counts.items() for _ in range(n)]
    params = augment(rotation=0.1, fill_rare_to=fill)
    copies = extra_copies(ids, classes, params=params, policy=policy_of(params, channels=3))
    found = [int(id_.split("-")[0]) for id_, _ in copies]
    assert {c: found.count(c) for c in set(found)} == expected
    assert copies == sorted(set(copies))
    if copies:
        per_picture = np.bincount([copy for _, copy in copies])
        assert (np.diff(per_picture) <= 0).all()  # nobody gets a second copy before all have a first


def test_extra_copies_need_an_alteration(augment: Augment) -> None:
    params = augment(fill_rare_to=1.0)
    with pytest.raises(ParamsError, match=r"fill_rare_to is 1.*augment\.rotation"):
        extra_copies(["a", "b", "c"], [0, 0, 1], params=params, policy=[])


def test_another_picture_moves_no_copy(augment: Augment) -> None:
    params = augment(rotation=0.1, fill_rare_to=1.0)
    policy = policy_of(params, channels=3)
    ids, classes = [f"big-{i}" for i in range(20)] + [f"rare-{i}" for i in range(5)], [0] * 20 + [1] * 5
    before = extra_copies(ids, classes, params=params, policy=policy)
    after = extra_copies([*ids, "big-new"], [*classes, 0], params=params, policy=policy)
    assert set(before) < set(after)
    assert extra_copies(ids[::-1], classes[::-1], params=params, policy=policy) == before
