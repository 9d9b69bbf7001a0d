"""What the model may see beyond the originals: `augment` params -> a policy of Keras layers.

A policy is plain data (class names and configurations of layers in `keras.layers`), written as JSON by
the augment stage and built into layers by train: what was previewed is what trains.
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
Policy = Sequence[Mapping[str, Any]]
Wanted = list[tuple[bool, str, dict[str, Any]]]

_FLIPS = {"none": None, "horizontal": "horizontal", "vertical": "vertical", "both": "horizontal_and_vertical"}
_ERASED_AREA = (0.02, 0.33)  # Zhong et al. 2017, arXiv:1708.04896
_MID_GREY = 127.5


def policy_of(params: AugmentParams, *, channels: int) -> list[dict[str, Any]]:
    """The layers for the knobs that are not zero, in the order in which they act; [] where all are.

    Each is {"class_name": ..., "config": {...}} for pictures in 0..255. Every random layer has a seed of
    its own: turning one knob changes no other's draws. Grey pictures have no `grayscale`.
    """
    wanted = _geometry(params) + _light(params, channels=channels)
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

    Raises:
        DataError: the policy names a layer that Keras does not have, or one that refuses its configuration.
    """
    import keras

    layers = []
    for entry in policy:
        try:
            # Eight bits of mantissa (bfloat16) are too few for 0..255 with fractions.
            layers.append(getattr(keras.layers, entry["class_name"])(**entry["config"], dtype="float32"))
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(
                f"augmentation policy: keras.layers.{entry['class_name']} cannot be built"
                f" from {entry['config']} ({error}); run `dvc repro -f augment`"
            ) from None
    return layers


def augmenter(policy: Policy, *, image_hw: tuple[int, int], channels: int) -> Any:
    """The policy as a `keras.Model`, uint8 [batch, height, width, channels] in and out, active in training.

    Its output is what `alter` gives: rounded and clipped to 0..255.
    """
    import keras

    raw = keras.Input((*image_hw, channels), dtype="uint8")
    x = keras.ops.cast(raw, "float32")
    for layer in build_layers(policy):
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
    if copies and not policy:
        raise ParamsError(
            f"augment.fill_rare_to is {params.fill_rare_to:g}, and no other knob of augment alters these"
            " pictures: the copies would be exact; set one, such as augment.rotation, or 0 here"
        )
    return sorted(copies)


def _geometry(params: AugmentParams) -> Wanted:
    # Beyond the edge its outermost pixels go on: black corners would be a sign of their own.
    edge = {"fill_mode": "nearest"}
    both = {"height_factor": params.shift, "width_factor": params.shift}
    return [
        (params.flip != "none", "RandomFlip", {"mode": _FLIPS[params.flip]}),
        (params.rotation > 0, "RandomRotation", {"factor": params.rotation} | edge),
        (params.zoom > 0, "RandomZoom", {"height_factor": params.zoom} | edge),
        (params.shift > 0, "RandomTranslation", both | edge),
        (params.shear > 0, "RandomShear", {"x_factor": params.shear, "y_factor": params.shear} | edge),
    ]


def _light(params: AugmentParams, *, channels: int) -> Wanted:
    # Keras takes an interval of probabilities for erasing: [p, p] is p. GaussianNoise knows 0..1 only.
    erasing = {
        "factor": [params.erasing, params.erasing],
        "scale": list(_ERASED_AREA),
        "fill_value": _MID_GREY,
    }
    return [
        (params.contrast > 0, "RandomContrast", {"factor": params.contrast}),
        (params.brightness > 0, "RandomBrightness", {"factor": params.brightness}),
        (params.noise > 0, "Rescaling", {"scale": 1 / 255}),
        (params.noise > 0, "GaussianNoise", {"stddev": params.noise}),
        (params.noise > 0, "Rescaling", {"scale": 255.0}),
        (params.grayscale > 0 and channels == 3, "RandomGrayscale", {"factor": params.grayscale}),
        (params.erasing > 0, "RandomErasing", erasing),
    ]


def _seeded(class_name: str, config: dict[str, Any], seed: int) -> dict[str, Any]:
    seeded = config if class_name == "Rescaling" else config | {"seed": _hash(f"{seed}/{class_name}")}
    return {"class_name": class_name, "config": seeded}


def _hash(text: str) -> int:
    """31 bits: a seed that every Keras backend takes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def _reseed(layer: Any, key: str) -> None:
    """Start a layer's draws anew, from its own seed and a key."""
    if hasattr(layer, "seed"):
        generator = layer.seed_generator if hasattr(layer, "seed_generator") else layer.generator
        generator.state.assign(np.array([_hash(f"{layer.seed}/{key}"), 0]))
