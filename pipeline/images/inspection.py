"""One cheap look at an image file: its header, one decode, its measures."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ImageError
from pipeline.images.faults import limit_pixels
from pipeline.images.flattening import DECODED_PX, REPAIRS, Seen, flatten
from pipeline.images.header import read_header_facts
from pipeline.images.measures import measure
from pipeline.images.reading import (
    Opened,
    check_frames,
    check_size,
    count_frames,
    find_orientation,
    name_format,
    open_image,
    reduce_decode,
)
from pipeline.images.upright import SIDEWAYS
from pipeline.refusals import Refusal

if TYPE_CHECKING:
    from PIL.Image import Image

_MEASURE_SIDE_PX = 64
_SCALE_FACTS = ("scale_kind", "scale_black", "scale_white")
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
class Inspection:
    """What one cheap look at a file says.

    Attributes:
        id: the sha256 (hex) of its bytes.
        facts: by the names of `facts.FACTS`; a fact that is not known is absent. Sizes are in pixels as the
            header states them. Measures are of the picture with alpha on white, at a scale whose shorter side
            is 64 to 127 pixels (a smaller picture: its own).
        repairs: some of REPAIRS.
        refusal: why the file cannot be used; None if it can.
    """

    id: str
    facts: Mapping[str, Any]
    repairs: tuple[str, ...] = ()
    refusal: Refusal | None = None


def inspect(data: bytes, name: str, **settings: Any) -> Inspection:
    """Look at a file once: header, one decode (a JPEG's at reduced scale, to its last byte), measures.

    A bad file raises nothing: `refusal` says what is wrong, beside the facts found so far. `name` is only
    compared with the format (repair wrong_extension). The settings are those of `look`.
    """
    return look(data, name, **settings)[0]


def look(
    data: bytes,
    name: str,
    *,
    formats: Sequence[str],
    max_pixels: int,
    min_side_px: int,
    min_local_contrast: float,
) -> tuple[Inspection, Seen | None]:
    """As `inspect`, and what was decoded; None if the file is refused."""
    image_id = hashlib.sha256(data).hexdigest()
    facts: dict[str, Any] = {"n_bytes": len(data)}
    try:
        with limit_pixels(max_pixels):
            opened = open_image(data, formats, max_pixels)
            facts |= read_facts(opened)
            check_size(opened.image, max_pixels, min_side_px)
            facts["n_frames"] = count_frames(opened)
            check_frames(opened.image, facts["n_frames"])
            orientation, size = find_orientation(opened.image), opened.image.size
            box = reduce_decode(opened.image, "RGB", (DECODED_PX, DECODED_PX))
            flat = flatten(opened)
    except ImageError as error:
        return Inspection(image_id, facts, refusal=error.refusal), None
    repaired = {
        "wrong_extension": find_claim(name) not in ("", facts["format"]),
        "exif_rotation": orientation not in (None, 1),
        "multi_frame_first": facts["n_frames"] > 1,
    } | dict.fromkeys(flat.repairs, True)
    facts |= {"exif_orientation": orientation} | _measure_small(flat.image)
    facts |= zip(_SCALE_FACTS, flat.guess or (None, None, None), strict=True)
    refusal = _refuse_blank(facts["local_contrast"], min_local_contrast)
    repairs = tuple(repair for repair in REPAIRS if repaired.get(repair))
    seen = None if refusal else Seen(opened, size, facts["n_frames"], orientation, box, flat)
    return Inspection(image_id, facts, repairs, refusal), seen


def find_claim(name: str) -> str:
    """The format that the ending of a file's name claims; "" if it claims none."""
    return _EXTENSIONS.get(PurePosixPath(name).suffix.lower(), "")


def inspect_item(item: tuple[bytes, str], **settings: Any) -> Inspection:
    """`inspect` of (bytes, name), as workers call it."""
    return inspect(*item, **settings)


def give_up(item: tuple[bytes, str], why: str) -> Inspection:
    """What is known of a file (bytes, name) whose decoder crashed or took too long."""
    data = item[0]
    refusal = Refusal("unreadable", why)
    return Inspection(hashlib.sha256(data).hexdigest(), {"n_bytes": len(data)}, refusal=refusal)


def _refuse_blank(local_contrast: float, lowest: float) -> Refusal | None:
    if local_contrast >= lowest:
        return None
    return Refusal("low_information", f"a local contrast of {local_contrast:.3f}: one colour, or nearly")


def read_facts(opened: Opened) -> dict[str, Any]:
    """The facts of a file's header: format, width, height, mode, and what `read_header_facts` gives."""
    image = opened.image
    width, height = image.size
    if image.format == "TIFF" and (find_orientation(image) or 1) >= SIDEWAYS:
        width, height = height, width  # Pillow gives a TIFF's size as it will be after rotation
    size = {"format": name_format(image), "width": width, "height": height, "mode": opened.mode}
    return size | read_header_facts(image)


def _measure_small(flat: "Image") -> dict[str, float]:
    """`measure` of a small version: the same for every format, and cheap."""
    factor = min(flat.size) // _MEASURE_SIDE_PX
    small = np.asarray(flat.reduce(factor) if factor > 1 else flat)
    return measure(small.reshape(*small.shape[:2], -1))
