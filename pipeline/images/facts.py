"""Facts about an image file: header, one cheap decode, measures."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ImageError
from pipeline.images.header import header_facts
from pipeline.images.measures import measures
from pipeline.images.picture import flatten
from pipeline.images.reading import (
    REPAIRS,
    SIDEWAYS,
    check_frames,
    check_size,
    count_frames,
    draft,
    find_orientation,
    format_of,
    open_image,
)

if TYPE_CHECKING:
    from PIL.Image import Image

_MEASURE_SIDE_PX = 64  # a JPEG is measured at the scale whose sides are still at least this
_EXTENSIONS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".mpo": "JPEG",
    ".png": "PNG",
    ".apng": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".gif": "GIF",
    ".pgm": "PPM",
    ".ppm": "PPM",
    ".pbm": "PPM",
    ".pnm": "PPM",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What one cheap look at a file says; None where it could not be found out.

    `id` is the sha256 (hex) of the bytes; sizes are in pixels as the header states them; n_bands to dpi
    are those of `header_facts`; brightness, contrast, and sharpness to local_contrast those of `measures`,
    alpha on white, at a scale whose shorter side is 64 to 127 pixels (a smaller picture: its own).
    `reason` is "" or one of REASONS, `detail` says it in words, `repairs` are some of REPAIRS.
    """

    id: str
    n_bytes: int
    format: str | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    exif_orientation: int | None = None
    n_frames: int | None = None
    brightness: float | None = None
    contrast: float | None = None
    n_bands: int | None = None
    jpeg_quality: int | None = None
    subsampling: str | None = None
    has_exif: bool | None = None
    dpi: float | None = None
    sharpness: float | None = None
    entropy: float | None = None
    colourfulness: float | None = None
    share_white: float | None = None
    border_brightness: float | None = None
    border_tint: float | None = None
    border_spread: float | None = None
    local_contrast: float | None = None
    repairs: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""


def inspect(
    data: bytes,
    name: str,
    *,
    formats: Sequence[str],
    max_pixels: int,
    min_side_px: int,
    min_local_contrast: float,
) -> Facts:
    """Look at a file once: header, one decode (a JPEG's at reduced scale, to its last byte), measures.

    Never raises on a bad file: `reason` says what is wrong, beside the facts found until then.
    `name` is only held against the format (repair wrong_extension).
    """
    found = _identity(data)
    try:
        image = open_image(data, formats, max_pixels)
        found |= _header(image)
        check_size(image, max_pixels, min_side_px)
        found["n_frames"] = count_frames(image)
        check_frames(image, found["n_frames"])
        orientation = find_orientation(image)
        draft(image, "RGB", (_MEASURE_SIDE_PX, _MEASURE_SIDE_PX))
        flat, repairs = flatten(image)
    except ImageError as error:
        return Facts(**found, reason=error.reason, detail=error.detail)
    repaired = {
        "wrong_extension": _EXTENSIONS.get(PurePosixPath(name).suffix.lower(), found["format"])
        != found["format"],
        "exif_rotation": orientation not in (None, 1),
        "multi_frame_first": found["n_frames"] > 1,
    } | dict.fromkeys(repairs, True)
    found |= _measures(flat)
    if found["local_contrast"] < min_local_contrast:
        found["reason"] = "low_information"
        found["detail"] = f"a local contrast of {found['local_contrast']:.3f}: one colour, or nearly"
    return Facts(
        **found,
        exif_orientation=orientation,
        repairs=tuple(repair for repair in REPAIRS if repaired.get(repair)),
    )


def look(item: tuple[bytes, str], **settings: Any) -> Facts:
    """`inspect` of (bytes, name), as workers call it."""
    return inspect(*item, **settings)


def unseen(item: tuple[bytes, str], why: str) -> Facts:
    """What is left to say of a file (bytes, name) that its decoder could not come back from."""
    return Facts(**_identity(item[0]), reason="unreadable", detail=why)


def _identity(data: bytes) -> dict[str, Any]:
    return {"id": hashlib.sha256(data).hexdigest(), "n_bytes": len(data)}


def _header(image: "Image") -> dict[str, Any]:
    width, height = image.size
    if image.format == "TIFF" and (find_orientation(image) or 1) >= SIDEWAYS:
        width, height = height, width  # Pillow gives a TIFF's size as it will be after rotation
    size = {"format": format_of(image), "width": width, "height": height, "mode": image.mode}
    return size | header_facts(image)


def _measures(flat: "Image") -> dict[str, float]:
    """`measures` of a small version: the same for every format, and cheap."""
    factor = min(flat.size) // _MEASURE_SIDE_PX
    small = np.asarray(flat.reduce(factor) if factor > 1 else flat)
    return measures(small.reshape(*small.shape[:2], -1))
