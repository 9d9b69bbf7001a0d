"""The registry of networks: `build_model("compact", ...)`. One file a family, each with its source.

A family gives `features(pictures) -> tensor` and `MIN_SIDE_PX`, the shortest side it can take; what
all networks share (uint8 in, class probabilities out) is here.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pipeline.errors import ModelError
from pipeline.models import compact, conv1, conv2, conv3, conv4, conv_gru, vgg_bn


class Family(NamedTuple):
    features: Callable[[Any], Any]
    min_side_px: int


FAMILIES: Mapping[str, Family] = {
    "compact": Family(compact.features, compact.MIN_SIDE_PX),
    "conv1": Family(conv1.features, conv1.MIN_SIDE_PX),
    "conv2": Family(conv2.features, conv2.MIN_SIDE_PX),
    "conv3": Family(conv3.features, conv3.MIN_SIDE_PX),
    "conv4": Family(conv4.features, conv4.MIN_SIDE_PX),
    "conv_gru": Family(conv_gru.features, conv_gru.MIN_SIDE_PX),
    "vgg_bn": Family(vgg_bn.features, vgg_bn.MIN_SIDE_PX),
}


def build_model(name: str, *, image_hw: tuple[int, int], channels: int, n_classes: int) -> Any:
    """A `keras.Model` from uint8 pictures [batch, height, width, channels] to float32 [batch, n_classes].

    Each row of the output sums to 1. Rescaling to [0, 1] is part of the model. Initial weights come from
    Keras' global seed (`keras.utils.set_random_seed`).

    Raises:
        ModelError: no network of that name, or pictures too small for it.
    """
    family = _family(name)
    if min(image_hw) < family.min_side_px:
        raise ModelError(
            f"train.model: {name} needs sides of at least {family.min_side_px} pixels, got clean.image_hw"
            f" {image_hw[0]}x{image_hw[1]}; enlarge it, or use a network for smaller pictures"
        )
    import keras

    pictures = keras.Input((*image_hw, channels), dtype="uint8", name="pictures")
    x = family.features(keras.layers.Rescaling(1 / 255)(pictures))
    y_prob = keras.layers.Dense(n_classes, activation="softmax", dtype="float32", name="y_prob")(x)
    return keras.Model(pictures, y_prob, name=name)


def _family(name: str) -> Family:
    if name in FAMILIES:
        return FAMILIES[name]
    import difflib

    match = difflib.get_close_matches(name, FAMILIES, n=1, cutoff=0.5)
    hint = f"; did you mean {match[0]}?" if match else ""
    raise ModelError(f"train.model: allowed are {', '.join(FAMILIES)}, got {name!r}{hint}")
