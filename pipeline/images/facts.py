"""Facts about an image file: header, one cheap decode, measures."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ImageError
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

    `id` is the sha256 (hex) of the bytes; sizes are in pixels as the header states them; brightness
    and contrast are mean and standard deviation of luma / 255, alpha on white. `reason` is "" or one
    of REASONS, `detail` says it in words, `repairs` are some of REPAIRS.
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
    repairs: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""


def inspect(data: bytes, name: str, *, formats: Sequence[str], max_pixels: int, min_side_px: int) -> Facts:
    """Look at a file once: header, one decode (a JPEG's at reduced scale, to its last byte), measures.

    Never raises on a bad file: `reason` says what is wrong, beside the facts found until then.
    `name` is only held against the format (repair wrong_extension).
    """
    facts = Facts(hashlib.sha256(data).hexdigest(), len(data))
    try:
        image = open_image(data, formats, max_pixels)
        facts = replace(facts, **_header(image))
        check_size(image, max_pixels, min_side_px)
        facts = replace(facts, n_frames=count_frames(image))
        check_frames(image, facts.n_frames or 1)
        orientation = find_orientation(image)
        draft(image, "L", (_MEASURE_SIDE_PX, _MEASURE_SIDE_PX))
        flat, repairs = flatten(image)
        brightness, contrast = _luma(flat)
    except ImageError as error:
        return replace(facts, reason=error.reason, detail=error.detail)
    found = {
        "wrong_extension": _EXTENSIONS.get(PurePosixPath(name).suffix.lower(), facts.format) != facts.format,
        "exif_rotation": orientation not in (None, 1),
        "multi_frame_first": (facts.n_frames or 1) > 1,
    } | dict.fromkeys(repairs, True)
    return replace(
        facts,
        exif_orientation=orientation,
        brightness=brightness,
        contrast=contrast,
        repairs=tuple(repair for repair in REPAIRS if found.get(repair)),
    )


def look(item: tuple[bytes, str], **settings: Any) -> Facts:
    """`inspect` of (bytes, name), as workers call it."""
    return inspect(*item, **settings)


def _header(image: "Image") -> dict[str, Any]:
    width, height = image.size
    if image.format == "TIFF" and (find_orientation(image) or 1) >= SIDEWAYS:
        width, height = height, width  # Pillow gives a TIFF's size as it will be after rotation
    return {"format": format_of(image), "width": width, "height": height, "mode": image.mode}


def _luma(flat: "Image") -> tuple[float, float]:
    counts = np.asarray(flat.convert("L").histogram(), dtype=np.float64)
    levels = np.arange(256) / 255
    mean = float(counts @ levels / counts.sum())
    return mean, float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
