"""What a file's header says besides its size: how it was compressed, and what travels with the pixels."""

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.faults import translate_faults

if TYPE_CHECKING:
    from PIL.Image import Image

_EXIF_TAG = 0x8769  # where a TIFF's EXIF block begins
_MAX_DPI = 100_000
# Horizontal and vertical sampling of luma against chroma, by its usual name.
_SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}
# The luminance table of ITU-T T.81, annex K.1; its order does not matter for a sum.
# fmt: off
_STANDARD_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on


def read_header_facts(image: "Image") -> dict[str, Any]:
    """n_bands, jpeg_quality, subsampling, has_exif and dpi of an opened image; None for what it lacks.

    Call this before decoding. `subsampling` is None for grey JPEGs and other formats.
    """
    return {
        "n_bands": len(image.getbands()),
        "jpeg_quality": _find_jpeg_quality(image),
        "subsampling": _name_subsampling(image),
        "has_exif": _has_exif(image),
        "dpi": _find_dpi(image),
    }


def estimate_quality(table: "list[int]") -> int:
    """The quality 1..100 whose luminance table in libjpeg has the sum nearest to that of `table` [64].

    It is exact for tables that libjpeg made (jpeg_set_quality in its jcparam.c, which is followed here), and
    an estimate for others. ImageMagick's JPEGGetQuality (coders/jpeg.c) uses the same sum.
    """
    return int(np.abs(_sum_tables() - sum(table)).argmin()) + 1


@functools.cache
def _sum_tables() -> NDArray[np.int64]:
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = (np.array(_STANDARD_LUMINANCE) * scale[:, None] + 50) // 100
    return np.asarray(np.clip(tables, 1, 255).sum(axis=1))


def _find_jpeg_quality(image: "Image") -> int | None:
    tables = getattr(image, "quantization", None)
    layers = getattr(image, "layer", None)
    if not tables or not layers:
        return None
    table = tables.get(layers[0][3])  # of the first component: luma
    return estimate_quality(table) if table else None


def _name_subsampling(image: "Image") -> str | None:
    layers = getattr(image, "layer", None)
    if not layers or len(layers) < 3 or not all(layers[1][1:3]):
        return None
    (_, luma_x, luma_y, _), (_, chroma_x, chroma_y, _) = layers[:2]
    ratio = (luma_x // chroma_x, luma_y // chroma_y)
    return _SUBSAMPLING.get(ratio, f"{ratio[0]}x{ratio[1]}")


def _has_exif(image: "Image") -> bool:
    if "exif" in image.info:
        return True
    try:
        with translate_faults():
            return image.format == "TIFF" and _EXIF_TAG in image.getexif()
    except ImageError:
        return False  # damaged EXIF is no reason to lose a picture


def _find_dpi(image: "Image") -> float | None:
    """Horizontal dots per inch; None if the header states no possible value (1 is how a TIFF says none)."""
    try:
        dpi = float(image.info["dpi"][0])
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
        return None
    return dpi if math.isfinite(dpi) and 1 < dpi <= _MAX_DPI else None
