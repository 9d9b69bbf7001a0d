"""The augmentation policy: what `augment` params mean, as a list of Keras layers in plain data.

Each entry holds the class name and the configuration of a layer in `keras.layers`. The augment stage writes
the policy as JSON and train builds it, so the previewed layers are those that train. Most entries alter
single pictures. MixUp and CutMix blend the pictures and labels of a batch. AlternatingFlip is no layer:
`Batches` does it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, ParamsError
from pipeline.json_file import read_json
from pipeline.params import AugmentParams
from pipeline.seeds import hash_to_seed
from pipeline.storage import write_whole

Policy = Sequence[Mapping[str, Any]]
Switches = list[tuple[bool, str, dict[str, Any]]]

_FLIPS = {"horizontal": "horizontal", "vertical": "vertical", "both": "horizontal_and_vertical"}
_ALTERNATING, _MIXERS = "AlternatingFlip", ("MixUp", "CutMix")
_ERASED_AREA = (0.02, 0.33)  # Zhong et al. 2017, arXiv:1708.04896
_MID_GREY = 127.5


def build_policy(params: AugmentParams, *, channels: int) -> list[dict[str, Any]]:
    """The layers for the knobs that are not zero, in the order in which they act; [] if all are zero.

    Each is {"class_name": ..., "config": {...}} for pictures in 0..255. Every random layer has its own seed,
    so one knob never changes another's draws. Grey pictures have no `grayscale`.

    Raises:
        ParamsError: `cutmix` is above 1, which Keras does not have.
    """
    if params.cutmix > 1:
        raise ParamsError(f"augment.cutmix: allowed are 0 to 1, got {params.cutmix:g}; 1 is the paper's own")
    wanted = _list_geometry(params) + _list_light(params, channels=channels) + _list_mixing(params)
    return [_seed(name, config, params.seed) for is_on, name, config in wanted if is_on]


def write_policy(policy: Policy, path: Path) -> None:
    """Write a policy as JSON: the same policy gives the same bytes."""
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(policy, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_policy(path: Path) -> list[dict[str, Any]]:
    """Read a policy back.

    Raises:
        DataError: the file is missing or is not a list of layers.
    """
    policy: list[dict[str, Any]] = read_json(path, "augment")
    if not isinstance(policy, list) or not all(
        isinstance(x, dict) and x.keys() == {"class_name", "config"} for x in policy
    ):
        raise DataError(f"{path} is not a list of layers; run `dvc repro -f augment`")
    return policy


def alternates(policy: Policy) -> bool:
    """Whether pictures are to be mirrored in every other epoch (`mirrored` of `Batches`)."""
    return any(entry["class_name"] == _ALTERNATING for entry in policy)


def can_alter(policy: Policy) -> bool:
    """Whether a policy has a layer that alters single pictures."""
    return any(map(alters_pictures, policy))


def list_mixers(policy: Policy) -> list[str]:
    """The class names of the layers that blend the pictures of a batch."""
    return [entry["class_name"] for entry in policy if mixes(entry)]


def mixes(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a policy blends the pictures of a batch."""
    return entry["class_name"] in _MIXERS


def alters_pictures(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a policy alters single pictures."""
    return entry["class_name"] not in (*_MIXERS, _ALTERNATING)


def _list_geometry(params: AugmentParams) -> Switches:
    # Beyond an edge, its outermost pixels are repeated: black corners would be a clue of their own.
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


def _list_mixing(params: AugmentParams) -> Switches:
    # A single number would be the upper end of an interval from which Keras draws alpha for each batch.
    return [
        (params.mixup > 0, "MixUp", {"alpha": params.mixup}),
        (params.cutmix > 0, "CutMix", {"factor": [params.cutmix, params.cutmix]}),
    ]


def _list_light(params: AugmentParams, *, channels: int) -> Switches:
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


def _seed(class_name: str, config: dict[str, Any], seed: int) -> dict[str, Any]:
    seeded = config | {"seed": hash_to_seed(f"{seed}/{class_name}")}
    is_random = class_name not in ("Rescaling", _ALTERNATING)
    return {"class_name": class_name, "config": seeded if is_random else config}
