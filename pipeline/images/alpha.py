"""Transparency: on which ground a picture is seen, if on any.

The ground is white, as paper is, unless nothing is seen on it:
1. Where hardly any pixel is opaque at all, the picture is what lies under the alpha, if that is a picture
   (repair `alpha_ignored`). Programs write such files when they fill a new alpha channel with 0.
2. Where what is opaque is white itself, such as a drawing in white, the ground is black (`alpha_on_black`).
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_OPAQUE = 8  # of 255: a picture whose alpha stays below is not seen on any ground
_STEP = 16  # of 255: differs from the ground by less, and is not seen on it
_LEAST_SEEN = 0.001  # the share of what is opaque that must be seen


def make_opaque(image: "Image") -> tuple["Image", list[str]]:
    """An image with transparency as RGB, and the repairs that were made."""

    layer = image.convert("RGBA")
    alpha = layer.getchannel("A")
    lowest, highest = alpha.getextrema()
    colours = layer.convert("RGB")
    if lowest == 255:
        return colours, []
    if isinstance(highest, int) and highest < _OPAQUE and _shows_anything(colours):
        return colours, ["alpha_ignored"]
    on_white = _compose(colours, alpha, "white")
    if _is_seen(on_white, alpha, 255):
        return on_white, ["alpha"]
    on_black = _compose(colours, alpha, "black")
    if _is_seen(on_black, alpha, 0):
        return on_black, ["alpha_on_black"]
    return on_white, ["alpha"]


def _compose(colours: "Image", alpha: "Image", ground: str) -> "Image":
    from PIL import Image

    canvas = Image.new("RGB", colours.size, ground)
    canvas.paste(colours, mask=alpha)
    return canvas


def _shows_anything(colours: "Image") -> bool:
    return any(low != high for low, high in colours.getextrema())  # type: ignore[misc]


def _is_seen(composed: "Image", alpha: "Image", ground: int) -> bool:
    """Whether enough of what is opaque differs from the ground."""
    lowest = [low if ground else 255 - high for low, high in composed.getextrema()]  # type: ignore[misc]
    if min(lowest) > 255 - _STEP and ground:
        return False
    off = np.abs(np.asarray(composed).astype(np.int16) - ground).max(axis=2) >= _STEP
    n_opaque = int((np.asarray(alpha) >= _OPAQUE).sum())
    return bool(off.sum() > _LEAST_SEEN * n_opaque)
