"""The network of the generator: a small U-Net from a noisy picture and its time to a velocity.

Ronneberger et al. 2015 (arXiv:1505.04597), with residual blocks that the time scales and shifts (Perez et al.
2018, FiLM) and self-attention at the bottom, as in Dhariwal and Nichol 2021 (arXiv:2105.05233). It works on
patches, on a grid of at most 16 x 16: on two cores of a CPU that costs a quarter of working on pixels.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

N_ALTERATIONS = 4  # numbers that say how a picture was altered
_GRID = 16  # patches along the longer side, at most
_WIDTHS = (64, 128)  # channels of the levels, from the finest
_N_TIME, _FASTEST = 16, 1000.0  # sines of the time, and the frequency of the fastest
_N_EMBEDDED, _N_GROUPS, _N_HEADS = 128, 8, 4


def build_network(picture_shape: tuple[int, int, int]) -> Any:
    """A `keras.Model` from [pictures, time, alterations] to a velocity.

    Pictures and velocity are float32 [b, height, width, channels], the time is [b, 1] from 0 (noise) to 1
    (picture), the alterations are [b, N_ALTERATIONS].
    """
    height, width, channels = picture_shape
    patch = math.ceil(max(height, width) / _GRID)
    noisy = keras.Input(picture_shape, name="noisy")
    time, altered = keras.Input((1,), name="time"), keras.Input((N_ALTERATIONS,), name="alterations")
    condition = _embed(time, altered)
    rows, columns = (-(-side // patch) for side in (height, width))
    padded = ops.pad(noisy, ((0, 0), (0, rows * patch - height), (0, columns * patch - width), (0, 0)))
    x = layers.Conv2D(_WIDTHS[0], patch + 2, strides=patch, padding="same")(padded)
    skips = []
    for level, n_filters in enumerate(_WIDTHS):
        if level:
            x = layers.Conv2D(n_filters, 3, strides=2, padding="same")(x)
        x = _add_block(x, condition, n_filters)
        skips.append(x)
    x = _add_block(_attend(x), condition, _WIDTHS[-1])
    for skip in reversed(skips):
        x = _enlarge_to(x, skip)
        x = _add_block(layers.Concatenate()([x, skip]), condition, skip.shape[-1])
    velocity = _join_patches(_activate(x), patch, channels)[:, :height, :width]
    velocity = layers.Activation("linear", dtype="float32", name="velocity")(velocity)
    return keras.Model([noisy, time, altered], velocity, name="generator")


def _embed(time: Any, altered: Any) -> Any:
    frequencies = np.geomspace(1, _FASTEST, _N_TIME).astype(np.float32)
    waves = [wave(time * frequencies) for wave in (ops.sin, ops.cos)]
    x = ops.concatenate([*waves, altered], axis=-1)
    for _ in range(2):
        x = layers.Dense(_N_EMBEDDED, activation="silu")(x)
    return x


def _add_block(x: Any, condition: Any, n_filters: int) -> Any:
    """Two convolutions around a skip; the second begins at zero, so a block begins as the identity."""
    skip = x if x.shape[-1] == n_filters else layers.Conv2D(n_filters, 1)(x)
    x = layers.Conv2D(n_filters, 3, padding="same")(_activate(x))
    change = layers.Dense(2 * n_filters, kernel_initializer="zeros")(condition)
    scale, shift = ops.split(layers.Reshape((1, 1, 2 * n_filters))(change), 2, axis=-1)
    x = layers.GroupNormalization(_N_GROUPS)(x) * (1 + scale) + shift
    x = layers.Activation("silu")(x)
    return skip + layers.Conv2D(n_filters, 3, padding="same", kernel_initializer="zeros")(x)


def _activate(x: Any) -> Any:
    return layers.Activation("silu")(layers.GroupNormalization(_N_GROUPS)(x))


def _attend(x: Any) -> Any:
    height, width, n_filters = x.shape[1:]
    flat = layers.Reshape((height * width, n_filters))(layers.GroupNormalization(_N_GROUPS)(x))
    seen = layers.MultiHeadAttention(_N_HEADS, n_filters // _N_HEADS)(flat, flat)
    return x + layers.Reshape((height, width, n_filters))(seen)


def _enlarge_to(x: Any, skip: Any) -> Any:
    """Twice as large, and cut where the finer level had an odd side."""
    if x.shape[1:3] == skip.shape[1:3]:
        return x
    return layers.UpSampling2D()(x)[:, : skip.shape[1], : skip.shape[2]]


def _join_patches(x: Any, patch: int, channels: int) -> Any:
    """The pixels of each patch: [b, rows, columns, c] to [b, rows * patch, columns * patch, channels]."""
    rows, columns = x.shape[1:3]
    x = layers.Conv2D(channels * patch**2, 3, padding="same", kernel_initializer="zeros")(x)
    x = ops.reshape(x, (-1, rows, columns, patch, patch, channels))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, rows * patch, columns * patch, channels))
