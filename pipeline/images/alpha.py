"""Transparency: on which ground a picture is seen, if on any.

The ground is white, as paper is, unless nothing is seen on it:
1. Where hardly any pixel is opaque at all, the picture is what lies under the alpha, if that is a picture
   (repair `alpha_ignored`). Programs write such files when they fill a new alpha channel with 0.
2. Where what is opaque is white itself, such as a drawing in white, the ground is black (`alpha_on_black`).
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_OPAQUE = 8  # of 255: a picture whose alpha stays below is not seen on any ground
_STEP = 16  # of 255: differs from the ground by less, and is not seen on it
_LEAST_SEEN = 0.001  # the share of what is opaque that must be seen
_SAMPLED_PX = 400  # a side of what is looked at


def make_opaque(image: "Image.Image") -> tuple["Image.Image", list[str]]:
    """An image with transparency as RGB, and the repairs that were made."""
    from PIL import Image

    layer = image.convert("RGBA")
    alpha = layer.getchannel("A")
    lowest, highest = alpha.getextrema()
    if lowest == 255:
        return layer.convert("RGB"), []
    if isinstance(highest, int) and highest < _OPAQUE:
        colours = layer.convert("RGB")
        if _shows_anything(colours):
            return colours, ["alpha_ignored"]
    on_white, on_black = (Image.new("RGB", layer.size, ground) for ground in ("white", "black"))
    on_white.paste(layer, mask=alpha)
    if _is_seen(on_white, alpha, 255):
        return on_white, ["alpha"]
    on_black.paste(layer, mask=alpha)
    return (on_black, ["alpha_on_black"]) if _is_seen(on_black, alpha, 0) else (on_white, ["alpha"])


def _shows_anything(colours: "Image.Image") -> bool:
    return any(low != high for low, high in colours.getextrema())  # type: ignore[misc]


def _is_seen(composed: "Image.Image", alpha: "Image.Image", ground: int) -> bool:
    """Whether enough of what is opaque differs from the ground, in a sample of the pixels."""
    from PIL import Image

    size = min(composed.width, _SAMPLED_PX), min(composed.height, _SAMPLED_PX)
    colours, opacity = (np.asarray(one.resize(size, Image.Resampling.NEAREST)) for one in (composed, alpha))
    n_seen = np.count_nonzero(np.abs(colours.astype(np.int16) - ground).max(axis=2) >= _STEP)
    return bool(n_seen > _LEAST_SEEN * np.count_nonzero(opacity >= _OPAQUE))
