"""Alterations of pictures that let gradients through, against a critic that learns a few pictures by heart.

The critic sees real and made-up pictures altered alike, so the generator is not taught to alter (DiffAugment,
Zhao et al. 2020, arXiv:2006.10738).
"""

from typing import Any

import keras
from keras import ops

_MAX_LIGHT = 0.5  # added to pictures from -1 to 1, at most, either way
_CONTRAST = (0.5, 1.5)
_SATURATION = (0.0, 2.0)
_SHIFT = 8  # a picture moves by up to 1 / 8 of its side
_HOLE = 2  # a square of 1 / 2 of the side is hidden


def alter(pictures: Any, seeds: Any) -> Any:
    """Pictures [b, h, w, c] from -1 to 1: of other light, contrast and colour, moved, with a hole.

    Args:
        seeds: a `keras.random.SeedGenerator`.
    """

    def draw(low: float, high: float, *shape: int) -> Any:
        return keras.random.uniform((ops.shape(pictures)[0], *shape), low, high, seed=seeds)

    x = pictures + draw(-_MAX_LIGHT, _MAX_LIGHT, 1, 1, 1)
    if pictures.shape[-1] > 1:
        x = _stretch(x, ops.mean(x, axis=3, keepdims=True), draw(*_SATURATION, 1, 1, 1))
    x = _stretch(x, ops.mean(x, axis=(1, 2, 3), keepdims=True), draw(*_CONTRAST, 1, 1, 1))
    for axis in (1, 2):
        x = _shift(x, draw(-1.0, 1.0, 1), axis)
    return _hide(x, draw(0.0, 1.0, 1), draw(0.0, 1.0, 1))


def _stretch(x: Any, middle: Any, by: Any) -> Any:
    return (x - middle) * by + middle


def _shift(x: Any, share: Any, axis: int) -> Any:
    """Move along an axis; what comes in is the edge, repeated."""
    side = x.shape[axis]
    by = ops.cast(ops.round(share * (side // _SHIFT)), "int32")
    index = ops.clip(ops.arange(side, dtype="int32")[None] + by, 0, side - 1)
    index = ops.expand_dims(index, (2, 3) if axis == 1 else (1, 3))
    return ops.take_along_axis(x, index, axis=axis)


def _hide(x: Any, top: Any, left: Any) -> Any:
    """Set a square to mid-grey; it may lie partly outside."""

    def cover(at: Any, side: int) -> Any:
        far = ops.abs(ops.arange(side, dtype="float32")[None] - at * side)
        return ops.cast(far < side / (2 * _HOLE), x.dtype)

    hole = cover(top, x.shape[1])[:, :, None, None] * cover(left, x.shape[2])[:, None, :, None]
    return x * (1 - hole)
