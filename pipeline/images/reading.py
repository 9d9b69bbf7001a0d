"""Opening files: allowed decoders only, refusing what must not be decoded from the header.

Nothing here keeps state: the same bytes give the same facts and pixels in a stage, in `darkroom predict` and
in the served model. The number of pixels is checked from the header, before memory is taken. Any fault of a
file is an `ImageError`.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ImageError, ParamsError
from pipeline.images.depths import Stated
from pipeline.images.faults import limit_pixels, refuse_pixels, translate_faults
from pipeline.images.kinds import explain_unidentified, is_camera_raw
from pipeline.images.png_chunks import drop_large_texts, read_significant_bits
from pipeline.images.tiff_layout import (
    Layout,
    check_chunks,
    check_readable,
    is_for_pillow,
    name_mode,
    read_layout,
    refuse_layout,
)
from pipeline.images.tiff_samples import is_heavy, needs_packing, open_header, open_page
from pipeline.images.tiff_tags import Page, is_tiff, read_book

if TYPE_CHECKING:
    from PIL.Image import Image

_MOVING = ("GIF", "WEBP", "PNG", "AVIF", "FLI")  # several frames are an animation; elsewhere, pages
_ORIENTATION_TAG = 0x0112
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Opened:
    """A file opened by its header.

    Attributes:
        image: Pillow's. It decodes the file, unless its samples are read apart.
        data: the file's bytes.
        max_pixels: what is allowed.
        tiff: the page of a TIFF that is its picture, and its layout.
        n_pages: of a TIFF.
        is_apart: whether `tiff_picture` reads the samples of this page, because Pillow would not, or wrong.
        repairs: what was put right to open it.
    """

    image: "Image"
    data: bytes
    max_pixels: int
    tiff: tuple[Page, Layout] | None = None
    n_pages: int = 1
    is_apart: bool = False
    repairs: tuple[str, ...] = ()

    @property
    def is_heavy(self) -> bool:
        """Whether it may be decoded only where larger pictures are allowed: a TIFF of many bytes a pixel."""
        if self.tiff is None or not self.is_apart:
            return False
        return is_heavy(self.tiff[1], self.tiff[1].width * self.tiff[1].height)

    @property
    def mode(self) -> str:
        """Pillow's name of the mode; of samples read apart such as RGB;16 or L;F32, with kind and bits."""
        return name_mode(self.tiff[1]) if self.tiff and self.is_apart else self.image.mode


def check_formats(formats: Sequence[str]) -> None:
    """Raise ParamsError unless every format is one that Pillow can open, by Pillow's name."""
    from PIL import Image

    Image.init()
    if unknown := sorted(set(formats) - set(Image.OPEN)):
        raise ParamsError(
            f"validate.formats: unknown {', '.join(unknown)}; allowed: {', '.join(sorted(Image.OPEN))}"
        )


def open_image(data: bytes, formats: Sequence[str], max_pixels: int) -> Opened:
    """Open a file by its header, with the allowed decoders only; raises ImageError."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImageError("empty", "the file has no bytes")
    if "WEBP" in formats and _is_cut_webp(data):
        raise ImageError("truncated", "its header promises more bytes than there are")
    # Set on each call, because filters are scoped (pytest, catch_warnings).
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with limit_pixels(max_pixels), translate_faults():
        try:
            if is_camera_raw(data):
                raise explain_unidentified(data, formats)
            if "TIFF" in formats and is_tiff(data):
                return _open_tiff(data, max_pixels)
            shown = drop_large_texts(data) if "PNG" in formats else data
            return Opened(Image.open(io.BytesIO(shown), formats=list(formats)), data, max_pixels)
        except UnidentifiedImageError:
            raise explain_unidentified(data, formats) from None


def _open_tiff(data: bytes, max_pixels: int) -> Opened:
    from PIL import UnidentifiedImageError

    book = read_book(data)
    layout = read_layout(book.page)
    if layout.width * layout.height > max_pixels:
        raise refuse_pixels(layout.width * layout.height, max_pixels)
    check_chunks(layout)
    if not is_for_pillow(layout):
        check_readable(layout)
        image = open_header(book.page, layout)
        return Opened(image, data, max_pixels, (book.page, layout), book.n_pages, True, book.repairs)
    try:
        image = (_open_first(data) if book.is_first and not needs_packing(layout) else None) or open_page(
            book.page, layout
        )
    except UnidentifiedImageError:
        check_readable(layout)
        what = f"{layout.n_samples} samples of {layout.bits} bits, compression {layout.compression}"
        raise refuse_layout(what) from None
    return Opened(image, data, max_pixels, (book.page, layout), book.n_pages, False, book.repairs)


def _open_first(data: bytes) -> "Image | None":
    """The file as it is, at its first page, without a copy; None if Pillow cannot open it so."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(data), formats=["TIFF"])
    except UnidentifiedImageError:
        return None


def read_stated(opened: Opened) -> Stated:
    """What the header of a file that Pillow decodes says of deep values."""
    if opened.image.format != "PNG":
        return Stated(16)
    bits = read_significant_bits(opened.data)
    return Stated(16, white=None if bits is None else (1 << bits) - 1)


def _is_cut_webp(data: bytes) -> bool:
    """Whether a WebP's header promises more bytes than there are; its decoder would only say "failed"."""
    return data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data)


def name_format(image: "Image") -> str:
    """Pillow's name of the format; a JPEG with further pictures in it (MPO) is a JPEG."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def check_size(image: "Image", max_pixels: int, min_side_px: int) -> None:
    """Raise ImageError if the header states more than `max_pixels`, or a side under `min_side_px`."""
    width, height = image.size
    if width * height > max_pixels:
        raise refuse_pixels(width * height, max_pixels)
    if min(width, height) < min_side_px:
        raise ImageError("too_small", f"{width} x {height} pixels; sides from {min_side_px} are allowed")


def count_frames(opened: Opened) -> int:
    """The number of frames or pages; the image is left at its first. Raises ImageError.

    A GIF counts as 2 if it has more than one frame, a TIFF up to 1,000: no header states their numbers.
    """
    image = opened.image
    if image.format == "TIFF":
        return opened.n_pages
    with translate_faults():
        if image.format == "GIF":
            return 2 if getattr(image, "is_animated", False) else 1
        n_frames = int(getattr(image, "n_frames", 1))
        if n_frames > 1:
            image.seek(0)
        return n_frames


def check_frames(image: "Image", n_frames: int) -> None:
    """Raise ImageError for an animation; several pages, as in a TIFF, are allowed."""
    if n_frames > 1 and image.format in _MOVING:
        raise ImageError("animated", f"{n_frames} frames" + (" or more" if image.format == "GIF" else ""))


def find_orientation(image: "Image") -> int | None:
    """EXIF orientation 1..8; None without one. Call this before decoding, in which a TIFF loses it."""
    if image.format == "PNG":
        with translate_faults():
            image.load()  # the EXIF of a PNG may lie behind its pixels
    try:
        with translate_faults():
            value = image.getexif().get(_ORIENTATION_TAG)
    except ImageError:
        return None  # damaged EXIF is no reason to lose a picture
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def count_reduction(size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """By what `reduce_decode` divides the sides of a JPEG of this size: 1, 2, 4 or 8."""
    ratio = min(side // least for side, least in zip(size, wanted, strict=True))
    return next((number for number in (8, 4, 2) if ratio >= number), 1)


def reduce_decode(image: "Image", mode: str, size: tuple[int, int]) -> Box | None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8 if both sides stay at least `size`; leave other formats alone.

    Returns the box of the picture in what will be decoded (its last column and row may be cut), or None.
    """
    with translate_faults():
        drafted = image.draft(mode, size)
        return drafted[1] if drafted else None
