"""From an opened file to pixels of 8 bits, grey or in colour, with nothing transparent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.errors import ImageError
from pipeline.images.alpha import make_opaque
from pipeline.images.depths import GUESSED, Guess, make_eight_bits
from pipeline.images.faults import translate_faults
from pipeline.images.jpeg_end import check_jpeg_end
from pipeline.images.reading import Box, Opened, name_format, read_stated
from pipeline.images.tiff_picture import decode_page
from pipeline.images.tiff_samples import is_cut

if TYPE_CHECKING:
    from PIL.Image import Image

DECODED_PX = 256  # where one decode serves two uses, a JPEG's sides are still at least this
# All repairs: what may be put right on the way to a canonical picture.
REPAIRS = (
    "wrong_extension",
    "exif_rotation",
    "alpha",
    "alpha_on_black",
    "alpha_ignored",
    "palette",
    "byte_palette",
    "cmyk",
    "sixteen_bit",
    GUESSED,
    "nodata",
    "multi_frame_first",
    "thumbnail_first",
    "lost_pages",
)


class Flat(NamedTuple):
    """An image of mode L or RGB, opaque; the repairs that were made; its scale if it had to be guessed."""

    image: "Image"
    repairs: list[str]
    guess: Guess | None


class Seen(NamedTuple):
    """A file that was decoded once, for a second use of what was decoded.

    `size` is as the header states it; `box` is what `reading.reduce_decode` gave; `flat` is not yet upright.
    """

    opened: Opened
    size: tuple[int, int]
    n_frames: int
    orientation: int | None
    box: Box | None
    flat: Flat


def flatten(opened: Opened, series: Sequence[Guess] = ()) -> Flat:
    """The image decoded to mode L or RGB with nothing transparent.

    Args:
        series: the scales of the collection, for what a file does not say.

    Raises:
        ImageError: it cannot be decoded to its end.
    """
    image, repairs, guess = _decode(opened, series)
    with translate_faults():
        repairs += [name for name, mode in (("palette", "P"), ("cmyk", "CMYK")) if image.mode == mode]
        if image.has_transparency_data:
            image, named = make_opaque(image)
            return Flat(image, [*opened.repairs, *repairs, *named], guess)
        mode = "L" if image.mode in ("1", "L") else "RGB"
        if image.mode == "LAB":
            image = _convert_lab(image)
        image = image if image.mode == mode else image.convert(mode)
    return Flat(image, [*opened.repairs, *repairs], guess)


def _decode(opened: Opened, series: Sequence[Guess]) -> Flat:
    """The decoded image of 8 bits, of any mode."""
    from PIL import Image

    if opened.tiff and opened.is_apart:
        with translate_faults():
            return Flat(*decode_page(*opened.tiff, opened.max_pixels, series))
    image = opened.image
    try:
        with translate_faults():
            image.load()
    except ImageError as error:
        raise _explain_cut(opened, error) from None
    if name_format(image) == "JPEG":
        check_jpeg_end(opened.data, image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        pixels, repairs, guess = make_eight_bits(np.asarray(image), read_stated(opened), series)
        return Flat(Image.fromarray(pixels), repairs, guess)
    return Flat(image, [], None)


def _explain_cut(opened: Opened, error: ImageError) -> ImageError:
    """The error of a file that cannot be decoded; a TIFF whose strips lie beyond its end is cut."""
    if error.refusal.reason == "corrupt" and opened.tiff and is_cut(*opened.tiff):
        return ImageError("truncated", f"a strip or tile reaches beyond the end: {error.refusal.detail}")
    return error


def _convert_lab(image: "Image") -> "Image":
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(*profiles, "LAB", "RGB")
    converted = ImageCms.applyTransform(image, transform)
    return image if converted is None else converted  # None only where it works in place
