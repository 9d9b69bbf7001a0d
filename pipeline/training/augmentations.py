"""A policy applied: its layers on a few pictures, or as a part of the network that acts in training only."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.seeds import hash_to_seed
from pipeline.training.policy import Policy, alters_pictures, mixes

Uint8 = npt.NDArray[np.uint8]


def build_layers(policy: Policy) -> list[Any]:
    """Keras layers, to be called one after the other with `training=True`.

    They take and give float pictures [batch, height, width, channels] in 0..255 (noise may leave that range).
    What acts on more than one picture (`build_mixers`, `policy.alternates`) is not among them.

    Raises:
        DataError: the policy names a layer that Keras does not have, or one that refuses its configuration.
    """
    return [_build(entry) for entry in policy if alters_pictures(entry)]


def build_mixers(policy: Policy) -> list[Any]:
    """The Keras layers (float32) that blend the pictures of a batch and their labels; they act last.

    Each takes and gives {"images": float32 [batch, height, width, channels], "labels": float32 [batch,
    n_classes]}, with `training=True`. The state of its random draws is in its `variables`.

    Raises:
        DataError: as `build_layers`.
    """
    return [_build(entry) for entry in policy if mixes(entry)]


def build_augmenter(policy: Policy, *, image_hw: tuple[int, int], channels: int) -> Any:
    """The picture layers as a `keras.Model`, uint8 [batch, height, width, channels] in and out, for training.

    Its output is rounded and clipped to 0..255, as that of `alter`. Without layers it returns its input.
    """
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

    So a picture alone in its batch, with its own key, always comes out the same.

    Args:
        pictures: uint8 [n, height, width, channels].
        layers: from `build_layers`.

    Returns:
        uint8, of the same shape; rounded and clipped to 0..255.
    """
    x: Any = pictures.astype(np.float32)
    for layer in layers:
        _reseed(layer, key)
        x = layer(x, training=True)
    altered: Uint8 = np.clip(np.rint(np.asarray(x)), 0, 255).astype(np.uint8)
    return altered


def _build(entry: Mapping[str, Any]) -> Any:
    try:
        # Eight bits of mantissa (bfloat16) are too few for 0..255 with fractions.
        return getattr(keras.layers, entry["class_name"])(**entry["config"], dtype="float32")
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"augmentation policy: keras.layers.{entry['class_name']} cannot be built"
            f" from {entry['config']} ({error}); run `dvc repro -f augment`"
        ) from None


def _reseed(layer: Any, key: str) -> None:
    """Restart a layer's draws, from its own seed and a key."""
    if hasattr(layer, "seed"):
        generator = layer.seed_generator if hasattr(layer, "seed_generator") else layer.generator
        generator.state.assign(np.array([hash_to_seed(f"{layer.seed}/{key}"), 0]))
