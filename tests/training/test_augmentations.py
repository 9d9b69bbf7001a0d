"""augmentations: a policy and its file, layers for every knob, altered pictures, extra copies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.collection.alterations import (
    IMPERFECT,
    choose_imperfect_copies,
    choose_rare_copies,
    make_imperfect,
)
from pipeline.errors import DataError, ParamsError
from pipeline.params import AugmentParams, Params
from pipeline.training.augmentations import alter, build_augmenter, build_layers, build_mixers
from pipeline.training.policy import alternates, build_policy, read_policy, write_policy

Augment = Callable[..., AugmentParams]
Uint8 = npt.NDArray[np.uint8]

OFF = {
    "flip": "none",
    **dict.fromkeys(
        ("rotation", "zoom", "shift", "shear", "contrast", "brightness", "noise", "grayscale", "erasing"), 0.0
    ),
    **dict.fromkeys(("rand_augment", "mixup", "cutmix", "fill_rare_to", "imperfect"), 0.0),
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
    pytest.param({"rand_augment": 0.3}, "RandAugment", id="rand_augment"),
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
    policy = build_policy(augment(**knobs), channels=channels)
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
    assert build_policy(augment(), channels=3) == []


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
    pictures = gradient(3, 3)
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
    pictures = gradient(8, 3)
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
    pictures = gradient(8, channels)
    first, second = (in_training(model, pictures) for _ in range(2))
    assert first.shape == pictures.shape
    assert not np.array_equal(first, pictures)
    assert not np.array_equal(first, second)


def in_training(model: Any, pictures: Uint8) -> Uint8:
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
    pictures = gradient(3, 3)
    assert np.array_equal(np.asarray(model(pictures, training=True)), pictures)


@pytest.mark.parametrize(
    ("flip", "expected"),
    [("alternating", True), ("none", False), ("horizontal", False), ("both", False)],
)
def test_alternates(augment: Augment, flip: str, expected: bool) -> None:
    policy = build_policy(augment(flip=flip, rotation=0.1), channels=3)
    assert alternates(policy) is expected
    kinds = [type(layer).__name__ for layer in build_layers(policy)]
    assert kinds == (
        ["RandomRotation"] if flip in ("alternating", "none") else ["RandomFlip", "RandomRotation"]
    )


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


def mixed(layer: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Sixteen pictures, each of its own class and shade, after a layer."""
    shades = np.arange(16, dtype=np.float32)[:, None, None, None] * np.ones((1, 12, 10, 3), np.float32)
    both = layer({"images": shades, "labels": np.eye(16, dtype=np.float32)}, training=True)
    return np.asarray(both["images"]), np.asarray(both["labels"])


@pytest.mark.parametrize("knobs", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=["mixup", "cutmix"])
def test_labels_are_mixed_as_pictures_are(augment: Augment, knobs: dict[str, Any]) -> None:
    (layer,) = build_mixers(build_policy(augment(**knobs), channels=3))
    images, labels = mixed(layer)
    assert labels.sum(axis=1) == pytest.approx(1)
    assert (labels.max(axis=1) < 0.95).sum() > 4
    # A label names shades by their shares, so it tells the mean shade: to the pixel where a rectangle begins.
    off = 1e-4 if "mixup" in knobs else 2.5
    assert np.abs(images.mean(axis=(1, 2, 3)) - labels @ np.arange(16)).max() < off
    images_2, _ = mixed(layer)
    assert not np.array_equal(images, images_2)


@pytest.mark.parametrize("knobs", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=["mixup", "cutmix"])
def test_what_a_mixer_has_drawn_is_in_its_variables(augment: Augment, knobs: dict[str, Any]) -> None:
    """A training that goes on from a checkpoint mixes as it would have."""
    policy = build_policy(augment(**knobs), channels=3)
    (layer,), (resumed,) = build_mixers(policy), build_mixers(policy)
    first = mixed(layer)
    state = [np.asarray(variable) for variable in layer.variables]
    second = mixed(layer)
    for variable, value in zip(resumed.variables, state, strict=True):
        variable.assign(value)
    assert all(np.array_equal(a, b) for a, b in zip(mixed(resumed), second, strict=True))
    (again,), (other,) = (
        build_mixers(policy),
        build_mixers(build_policy(augment(**knobs, seed=1), channels=3)),
    )
    assert np.array_equal(mixed(again)[0], first[0])
    assert not np.array_equal(mixed(other)[0], first[0])


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
    copies = choose_rare_copies(ids, classes, params=params, policy=build_policy(params, channels=3))
    found = [int(id_.split("-")[0]) for id_, _ in copies]
    assert {c: found.count(c) for c in set(found)} == expected
    assert copies == sorted(set(copies))
    if copies:
        per_picture = np.bincount([copy for _, copy in copies])
        assert (np.diff(per_picture) <= 0).all()  # nobody gets a second copy before all have a first


def test_extra_copies_need_an_alteration(augment: Augment) -> None:
    params = augment(fill_rare_to=1.0)
    mixing_only = build_policy(augment(flip="alternating", mixup=0.2, cutmix=1.0), channels=3)
    for policy in ([], mixing_only):
        with pytest.raises(ParamsError, match=r"fill_rare_to is 1.*augment\.rotation"):
            choose_rare_copies(["a", "b", "c"], [0, 0, 1], params=params, policy=policy)


def test_another_picture_moves_no_copy(augment: Augment) -> None:
    params = augment(rotation=0.1, fill_rare_to=1.0)
    policy = build_policy(params, channels=3)
    ids, classes = [f"big-{i}" for i in range(20)] + [f"rare-{i}" for i in range(5)], [0] * 20 + [1] * 5
    before = choose_rare_copies(ids, classes, params=params, policy=policy)
    after = choose_rare_copies([*ids, "big-new"], [*classes, 0], params=params, policy=policy)
    assert set(before) < set(after)
    assert choose_rare_copies(ids[::-1], classes[::-1], params=params, policy=policy) == before


def framed(n: int, *, height: int = 40, width: int = 30) -> Uint8:
    """Pictures of light paper, 200, with a dark square of 8x8, 20, about the middle."""
    pictures = np.full((n, height, width, 3), 200, np.uint8)
    pictures[:, height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4] = 20
    return pictures


def ids_of(n: int) -> list[str]:
    return [f"id-{i}" for i in range(n)]


def dark_area(pictures: Uint8) -> npt.NDArray[np.float64]:
    dark: npt.NDArray[np.float64] = (200 - pictures[..., 0].astype(np.float64)).sum(axis=(1, 2)) / 180
    return dark


def test_imperfect_is_shrunk_and_moved_or_turned() -> None:
    n = 400
    pictures = framed(n)
    altered = make_imperfect(pictures, ids_of(n), seed=0)
    assert altered.shape == pictures.shape
    assert altered.dtype == np.uint8
    assert (altered[:, [0, -1]] >= 199).all()  # paper all around, no black corner
    share = dark_area(altered) / 64
    is_turned = share > 0.95
    assert 160 < is_turned.sum() < 240
    assert share[is_turned] == pytest.approx(1, abs=0.04)
    shrunk = np.sqrt(share[~is_turned])
    assert shrunk.min() == pytest.approx(0.5, abs=0.03)
    assert shrunk.max() == pytest.approx(0.9, abs=0.03)
    rows, columns = centres(altered)
    assert np.abs(rows[is_turned] - 19.5).max() < 0.1
    assert np.abs(columns[is_turned] - 14.5).max() < 0.1
    # Of the way to an edge of the frame: all of it either way, as far down as to the right only by chance.
    moved = [
        (centre[~is_turned] - middle) / (side / 2 * (1 - shrunk))
        for centre, middle, side in ((rows, 19.5, 40), (columns, 14.5, 30))
    ]
    for way in moved:
        assert (way.min(), way.max()) == pytest.approx((-1, 1), abs=0.15)
        assert abs(way.mean()) < 0.15
    assert abs(np.mean(moved[0] * moved[1])) < 0.1  # a third where both are the same


def centres(pictures: Uint8) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The centre of what is dark on each, as row and column."""
    dark = 200 - pictures[..., 0].astype(np.float64)
    total = dark.sum(axis=(1, 2))
    rows = (dark.sum(axis=2) @ np.arange(dark.shape[1])) / total
    return rows, (dark.sum(axis=1) @ np.arange(dark.shape[2])) / total


def test_imperfect_turns_by_up_to_40_degrees_either_way() -> None:
    n = 400
    line = np.full((n, 41, 41, 1), 200, np.uint8)
    line[:, 20, 8:33] = 20
    altered = make_imperfect(line, ids_of(n), seed=0)
    y, x = np.mgrid[0:41, 0:41] - 20.0
    dark = (200 - altered[..., 0].astype(np.float64)).reshape(n, -1)
    moment = [(dark * value.ravel()).sum(axis=1) / dark.sum(axis=1) for value in (x * x, y * y, x * y)]
    angle = np.rad2deg(np.arctan2(2 * moment[2], moment[0] - moment[1]) / 2)
    is_turned = dark.sum(axis=1) / 180 > 24
    assert (angle[is_turned].min(), angle[is_turned].max()) == pytest.approx((-40, 40), abs=1.5)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(np.full((9, 7, 3), 255), id="white"),
        pytest.param(np.full((9, 7, 1), 0), id="black"),
        pytest.param(np.full((1, 1, 3), 77), id="one pixel"),
        pytest.param(np.full((9, 7, 3), (10, 100, 200)), id="a colour"),
    ],
)
def test_imperfect_leaves_one_colour_alone(picture: npt.NDArray[Any]) -> None:
    pictures = np.repeat(picture.astype(np.uint8)[None], 20, axis=0)
    assert np.array_equal(make_imperfect(pictures, ids_of(20), seed=0), pictures)


def test_imperfect_depends_on_seed_and_id_alone() -> None:
    pictures, ids = gradient(12, 3), ids_of(12)
    together = make_imperfect(pictures, ids, seed=0)
    assert np.array_equal(make_imperfect(pictures[5:6], ids[5:6], seed=0), together[5:6])
    assert np.array_equal(make_imperfect(pictures[::-1], ids[::-1], seed=0), together[::-1])
    assert not np.array_equal(make_imperfect(pictures, ids, seed=1), together)
    assert not np.array_equal(make_imperfect(pictures[5:6], ["other"], seed=0), together[5:6])
    assert make_imperfect(pictures[:0], [], seed=0).shape == (0, 12, 10, 3)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_imperfect_copies(augment: Augment, share: float) -> None:
    ids = ids_of(2000)
    copies = choose_imperfect_copies(ids, params=augment(imperfect=share))
    assert copies == sorted(set(copies))
    assert len(copies) == pytest.approx(share * 2000, abs=1 if share in (0, 1) else 70)
    assert {copy for _, copy in copies} <= {IMPERFECT}
    fewer = choose_imperfect_copies(ids[:1000], params=augment(imperfect=share))
    assert set(fewer) == {(id_, copy) for id_, copy in copies if id_ in set(ids[:1000])}
    assert set(copies) <= set(choose_imperfect_copies(ids, params=augment(imperfect=min(1.0, share + 0.1))))
