"""What the model may see beyond the originals: `augment` params -> a policy of Keras layers.

A policy is plain data (class names and configurations of layers in `keras.layers`), written as JSON by
the augment stage and built into layers by train: what was previewed is what trains. Its entries
are layers that alter pictures; MixUp and CutMix, which blend the pictures and labels of a batch; and
AlternatingFlip, which is no layer: `feed.batches` does it.
"""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError, ParamsError
from pipeline.params import AugmentParams
from pipeline.paths import written_whole

Uint8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Policy = Sequence[Mapping[str, Any]]
Wanted = list[tuple[bool, str, dict[str, Any]]]

IMPERFECT = -1  # the number of the imperfect copy of a picture; copies for rare classes count from 0

_FLIPS = {"horizontal": "horizontal", "vertical": "vertical", "both": "horizontal_and_vertical"}
_ALTERNATING, _MIXERS = "AlternatingFlip", ("MixUp", "CutMix")
_ERASED_AREA = (0.02, 0.33)  # Zhong et al. 2017, arXiv:1708.04896
_MID_GREY = 127.5
_LEAST_SIZE, _MOST_SIZE = 0.5, 0.9  # of an imperfect copy that is shrunk
_MOST_TURN_DEG = 40


def policy_of(params: AugmentParams, *, channels: int) -> list[dict[str, Any]]:
    """The layers for the knobs that are not zero, in the order in which they act; [] where all are.

    Each is {"class_name": ..., "config": {...}} for pictures in 0..255. Every random layer has a seed of
    its own: turning one knob changes no other's draws. Grey pictures have no `grayscale`.

    Raises:
        ParamsError: `cutmix` is above 1, which Keras does not have.
    """
    if params.cutmix > 1:
        raise ParamsError(f"augment.cutmix: allowed are 0 to 1, got {params.cutmix:g}; 1 is the paper's own")
    wanted = _geometry(params) + _light(params, channels=channels) + _mixing(params)
    return [_seeded(name, config, params.seed) for is_on, name, config in wanted if is_on]


def write_policy(policy: Policy, path: Path) -> None:
    """Write a policy as JSON: the same policy gives the same bytes."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(policy, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_policy(path: Path) -> list[dict[str, Any]]:
    """Read a policy back.

    Raises:
        DataError: the file is missing or is not a list of layers.
    """
    try:
        policy = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro augment` to make it") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); run `dvc repro -f augment`") from None
    if not isinstance(policy, list) or not all(
        isinstance(x, dict) and x.keys() == {"class_name", "config"} for x in policy
    ):
        raise DataError(f"{path} is not a list of layers; run `dvc repro -f augment`")
    return policy


def build_layers(policy: Policy) -> list[Any]:
    """Keras layers, to be called one after the other with `training=True`.

    They take and give float pictures [batch, height, width, channels] in 0..255 (noise may lead out of it).
    What acts on more than a picture (`mixers`, `alternates`) is not among them.

    Raises:
        DataError: the policy names a layer that Keras does not have, or one that refuses its configuration.
    """
    return [_built(entry) for entry in policy if _is_of_pictures(entry)]


def mixers(policy: Policy) -> list[Any]:
    """The Keras layers (float32) that blend the pictures of a batch and their labels; to act last.

    Each takes and gives {"images": float32 [batch, height, width, channels], "labels": float32 [batch,
    n_classes]}, with `training=True`. What it has drawn so far is in its `variables`.

    Raises:
        DataError: as `build_layers`.
    """
    return [_built(entry) for entry in policy if entry["class_name"] in _MIXERS]


def alternates(policy: Policy) -> bool:
    """Whether pictures are to be mirrored in every other epoch (`mirrored` of `feed.batches`)."""
    return any(entry["class_name"] == _ALTERNATING for entry in policy)


def augmenter(policy: Policy, *, image_hw: tuple[int, int], channels: int) -> Any:
    """The picture layers as a `keras.Model`, uint8 [batch, height, width, channels] in and out, for training.

    Its output is what `alter` gives: rounded and clipped to 0..255. Without layers it gives what it gets.
    """
    import keras

    raw = keras.Input((*image_hw, channels), dtype="uint8")
    layers = build_layers(policy)
    if not layers:
        return keras.Model(raw, raw, name="augmenter")
    x = keras.ops.cast(raw, "float32")
    for layer in layers:
        x = layer(x)
    return keras.Model(
        raw, keras.ops.cast(keras.ops.clip(keras.ops.round(x), 0, 255), "uint8"), name="augmenter"
    )


def alter(pictures: Uint8, *, layers: Sequence[Any], key: str) -> Uint8:
    """Pictures altered once, by draws that depend on the layers' seeds, the key and the place in the batch.

    A picture alone in its batch, with a key of its own, comes out the same whatever else there is.

    Args:
        pictures: uint8 [n, height, width, channels].
        layers: of `build_layers`.

    Returns:
        uint8, of the same shape; rounded and clipped to 0..255.
    """
    x: Any = pictures.astype(np.float32)
    for layer in layers:
        _reseed(layer, key)
        x = layer(x, training=True)
    altered: Uint8 = np.clip(np.rint(np.asarray(x)), 0, 255).astype(np.uint8)
    return altered


def extra_copies(
    ids: Sequence[str], classes: Sequence[int], *, params: AugmentParams, policy: Policy
) -> list[tuple[str, int]]:
    """The copies, as (id, copy), that lift every class to `fill_rare_to` of the largest.

    Pictures of a class take turns in the order of a hash of (seed, id); sorted by id and copy.

    Raises:
        ParamsError: copies are asked for and the policy alters nothing.
    """
    members: dict[int, list[str]] = defaultdict(list)
    for id_, class_index in zip(ids, classes, strict=True):
        members[class_index].append(id_)
    wanted = math.ceil(params.fill_rare_to * max(map(len, members.values()), default=0))
    copies: list[tuple[str, int]] = []
    for of_class in members.values():
        turns = sorted(of_class, key=lambda id_: (_hash(f"{params.seed}/{id_}"), id_))
        copies += [(turns[k % len(turns)], k // len(turns)) for k in range(wanted - len(turns))]
    if copies and not any(map(_is_of_pictures, policy)):
        raise ParamsError(
            f"augment.fill_rare_to is {params.fill_rare_to:g}, and no other knob of augment alters these"
            " pictures: the copies would be exact; set one, such as augment.rotation, or 0 here"
        )
    return sorted(copies)


def imperfect_copies(ids: Sequence[str], *, params: AugmentParams) -> list[tuple[str, int]]:
    """The imperfect copies, as (id, IMPERFECT), of a share `imperfect` of the pictures; sorted.

    Which pictures they are of depends on (seed, id) alone; a larger share adds others to them.
    """
    is_chosen = _draws(ids, params.seed)[:, 0] < params.imperfect
    return [(id_, IMPERFECT) for id_, yes in sorted(zip(ids, is_chosen, strict=True)) if yes]


def imperfect(pictures: Uint8, ids: Sequence[str], *, seed: int) -> Uint8:
    """Pictures as a careless scan would show them, altered by draws from (seed, id) alone.

    One half is shrunk to 50 to 90 % of height and width, somewhere within the frame; the other is turned
    about its centre by up to 40 degrees either way. Around them is the picture's border colour, the median of
    its outermost pixels (its edge drawn out, as `alter` does, would fill half a frame with stripes).
    Pictures are uint8 [n, height, width, channels], before and after.
    """
    height, width = pictures.shape[1:3]
    _, kind, strength, top, left = _draws(ids, seed).T[:5, :, None, None]
    is_turned = kind < 0.5
    size = np.where(is_turned, 1, _LEAST_SIZE + (_MOST_SIZE - _LEAST_SIZE) * strength)
    angle = np.where(is_turned, np.deg2rad(_MOST_TURN_DEG * (2 * strength - 1)), 0)
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    y_mid, x_mid = (height - 1) / 2, (width - 1) / 2
    y = np.arange(height)[:, None] - y_mid - (top - 0.5) * (1 - size) * height
    x = np.arange(width) - x_mid - (left - 0.5) * (1 - size) * width
    return _sampled(pictures, y * cos + x * sin + y_mid, x * cos - y * sin + x_mid)


def _sampled(pictures: Uint8, y: Floats, x: Floats) -> Uint8:
    """Pictures at rows y and columns x, float64 [n, height, width], bilinear; their border colour outside."""
    n, height, width, channels = pictures.shape
    edges = [pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]]
    framed = np.empty((n, height + 2, width + 2, channels), np.float32)
    framed[:] = np.median(np.concatenate(edges, axis=1), axis=1)[:, None, None]
    framed[:, 1:-1, 1:-1] = pictures
    y, x = np.clip(y + 1, 0, height + 1), np.clip(x + 1, 0, width + 1)
    top, left = np.minimum(y.astype(np.int64), height), np.minimum(x.astype(np.int64), width)
    down, right = (part[..., None].astype(np.float32) for part in (y - top, x - left))
    at = np.arange(n)[:, None, None]
    above = framed[at, top, left] * (1 - right) + framed[at, top, left + 1] * right
    below = framed[at, top + 1, left] * (1 - right) + framed[at, top + 1, left + 1] * right
    return np.asarray(np.rint(above * (1 - down) + below * down), np.uint8)


def _draws(ids: Sequence[str], seed: int) -> Floats:
    """Eight numbers in [0, 1) a picture, from (seed, id) alone: float64 [n, 8]."""
    digests = b"".join(hashlib.sha256(f"{seed}/imperfect/{id_}".encode()).digest() for id_ in ids)
    return np.frombuffer(digests, ">u4").reshape(-1, 8) / 2**32


def _geometry(params: AugmentParams) -> Wanted:
    # Beyond the edge its outermost pixels go on: black corners would be a sign of their own.
    edge = {"fill_mode": "nearest"}
    both = {"height_factor": params.shift, "width_factor": params.shift}
    return [
        (params.flip == "alternating", _ALTERNATING, {}),
        (params.flip in _FLIPS, "RandomFlip", {"mode": _FLIPS.get(params.flip)}),
        (params.rotation > 0, "RandomRotation", {"factor": params.rotation} | edge),
        (params.zoom > 0, "RandomZoom", {"height_factor": params.zoom} | edge),
        (params.shift > 0, "RandomTranslation", both | edge),
        (params.shear > 0, "RandomShear", {"x_factor": params.shear, "y_factor": params.shear} | edge),
    ]


def _mixing(params: AugmentParams) -> Wanted:
    # A single number would be the upper end of an interval from which Keras draws alpha for each batch.
    return [
        (params.mixup > 0, "MixUp", {"alpha": params.mixup}),
        (params.cutmix > 0, "CutMix", {"factor": [params.cutmix, params.cutmix]}),
    ]


def _light(params: AugmentParams, *, channels: int) -> Wanted:
    # Keras takes an interval of probabilities for erasing: [p, p] is p. GaussianNoise knows 0..1 only.
    erasing = {
        "factor": [params.erasing, params.erasing],
        "scale": list(_ERASED_AREA),
        "fill_value": _MID_GREY,
    }
    # RandAugment wants 0..255, so it comes before noise. Keras draws its two alterations for a whole batch.
    random = {"value_range": [0, 255], "num_ops": 2, "factor": params.rand_augment}
    return [
        (params.rand_augment > 0, "RandAugment", random),
        (params.contrast > 0, "RandomContrast", {"factor": params.contrast}),
        (params.brightness > 0, "RandomBrightness", {"factor": params.brightness}),
        (params.noise > 0, "Rescaling", {"scale": 1 / 255}),
        (params.noise > 0, "GaussianNoise", {"stddev": params.noise}),
        (params.noise > 0, "Rescaling", {"scale": 255.0}),
        (params.grayscale > 0 and channels == 3, "RandomGrayscale", {"factor": params.grayscale}),
        (params.erasing > 0, "RandomErasing", erasing),
    ]


def _seeded(class_name: str, config: dict[str, Any], seed: int) -> dict[str, Any]:
    seeded = config | {"seed": _hash(f"{seed}/{class_name}")}
    is_random = class_name not in ("Rescaling", _ALTERNATING)
    return {"class_name": class_name, "config": seeded if is_random else config}


def _is_of_pictures(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a policy alters pictures, each for itself."""
    return entry["class_name"] not in (*_MIXERS, _ALTERNATING)


def _built(entry: Mapping[str, Any]) -> Any:
    import keras

    try:
        # Eight bits of mantissa (bfloat16) are too few for 0..255 with fractions.
        return getattr(keras.layers, entry["class_name"])(**entry["config"], dtype="float32")
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"augmentation policy: keras.layers.{entry['class_name']} cannot be built"
            f" from {entry['config']} ({error}); run `dvc repro -f augment`"
        ) from None


def _hash(text: str) -> int:
    """31 bits: a seed that every Keras backend takes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def _reseed(layer: Any, key: str) -> None:
    """Start a layer's draws anew, from its own seed and a key."""
    if hasattr(layer, "seed"):
        generator = layer.seed_generator if hasattr(layer, "seed_generator") else layer.generator
        generator.state.assign(np.array([_hash(f"{layer.seed}/{key}"), 0]))
