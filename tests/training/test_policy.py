"""policy: augment params as plain data, and the file of it; all without Keras."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import DataError, ParamsError
from pipeline.params import AugmentParams
from pipeline.training.policy import (
    alternates,
    alters_pictures,
    build_policy,
    can_alter,
    list_mixers,
    read_policy,
    write_policy,
)

Augment = Callable[..., AugmentParams]


def test_zero_is_off(augment: Augment) -> None:
    assert build_policy(augment(), channels=3) == []


def test_every_random_layer_has_a_seed_of_its_own(augment: Augment) -> None:
    """It depends on the section's seed and the layer alone: one more knob changes no other's."""
    knobs = {"rotation": 0.2, "brightness": 0.3, "noise": 0.1, "mixup": 0.2}
    policy = build_policy(augment(**knobs), channels=3)
    seeds = [entry["config"]["seed"] for entry in policy if entry["class_name"] != "Rescaling"]
    assert len(set(seeds)) == 4
    more = build_policy(augment(**knobs, flip="both", erasing=0.5), channels=3)
    assert [entry for entry in more if entry["class_name"] not in ("RandomFlip", "RandomErasing")] == policy
    others = build_policy(augment(**knobs, seed=1), channels=3)
    assert not set(seeds) & {entry["config"].get("seed") for entry in others}


def test_grey_pictures_have_no_grayscale(augment: Augment) -> None:
    params = augment(grayscale=1.0)
    assert build_policy(params, channels=1) == []
    assert [entry["class_name"] for entry in build_policy(params, channels=3)] == ["RandomGrayscale"]


@pytest.mark.parametrize(
    ("flip", "expected"),
    [("alternating", True), ("none", False), ("horizontal", False), ("both", False)],
)
def test_alternates(augment: Augment, flip: str, expected: bool) -> None:
    policy = build_policy(augment(flip=flip, rotation=0.1), channels=3)
    assert alternates(policy) is expected
    kinds = [entry["class_name"] for entry in policy if alters_pictures(entry)]
    assert kinds == (
        ["RandomRotation"] if flip in ("alternating", "none") else ["RandomFlip", "RandomRotation"]
    )


@pytest.mark.parametrize(
    ("knobs", "alters", "mixers"),
    [
        pytest.param({}, False, [], id="nothing"),
        pytest.param({"rotation": 0.1}, True, [], id="pictures"),
        pytest.param({"flip": "alternating"}, False, [], id="mirrored by turns"),
        pytest.param({"mixup": 0.2, "cutmix": 1.0}, False, ["MixUp", "CutMix"], id="mixed"),
        pytest.param({"noise": 0.1, "cutmix": 1.0}, True, ["CutMix"], id="both"),
    ],
)
def test_what_a_policy_can_do(
    augment: Augment, knobs: dict[str, float], alters: bool, mixers: list[str]
) -> None:
    policy = build_policy(augment(**knobs), channels=3)
    assert can_alter(policy) is alters
    assert list_mixers(policy) == mixers


def test_cutmix_above_one(augment: Augment) -> None:
    with pytest.raises(ParamsError, match=r"augment\.cutmix: allowed are 0 to 1, got 2"):
        build_policy(augment(cutmix=2.0), channels=3)


def test_policy_file(augment: Augment, tmp_path: Path) -> None:
    knobs = {"noise": 0.1, "erasing": 0.2, "rand_augment": 0.1, "mixup": 0.2, "cutmix": 1.0}
    policy = build_policy(augment(flip="alternating", zoom=0.1, **knobs), channels=3)
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
