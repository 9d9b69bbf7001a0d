"""Opening a file with allowed decoders only, refusing what must not be decoded, and flattening it.

Only this package uses Pillow. Nothing here keeps state: the same bytes give the same facts and pixels in a
stage, in `darkroom predict` and in the served model. The number of pixels is checked from the header, before
memory is taken. Any fault of a file is an `ImageError`.
"""

import functools
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError, ParamsError

if TYPE_CHECKING:
    from PIL.Image import Image

# All repairs: what may be put right on the way to a canonical picture.
REPAIRS = (
    "wrong_extension",
    "exif_rotation",
    "alpha",
    "palette",
    "cmyk",
    "sixteen_bit",
    "multi_frame_first",
)

# Pillow raises all of these on damaged files, so only calls to Pillow stand under `translate_faults`.
_BAD_FILE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    BufferError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_MAX_PAGES = 1000  # of a TIFF that are counted: Pillow's time grows with their square
_MOVING = ("GIF", "WEBP", "PNG", "AVIF", "FLI")  # several frames are an animation; elsewhere, pages
_ORIENTATION_TAG = 0x0112
Box = tuple[float, float, float, float]  # left, top, right, bottom

# What this thread allows a picture to have, while it works on one; None: Pillow's own limit.
_limit: ContextVar[int | None] = ContextVar("max_pixels", default=None)

SIDEWAYS = 5  # EXIF orientations from here on swap width and height
# (offset, bytes, format): what a file says it is, where Pillow cannot open it.
_MAGIC = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"BM", "BMP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypheic", "HEIF"),
    (4, b"ftypmif1", "HEIF"),
    (0, b"\0\0\0\x0cjP  \r\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "EPS"),
    (0, b"8BPS", "PSD"),
    (0, b"qoif", "QOI"),
    (0, b"<svg", "SVG"),
)


def check_formats(formats: Sequence[str]) -> None:
    """Raise ParamsError unless every format is one that Pillow can open, by Pillow's name."""
    from PIL import Image

    Image.init()
    if unknown := sorted(set(formats) - set(Image.OPEN)):
        raise ParamsError(
            f"validate.formats: unknown {', '.join(unknown)}; allowed: {', '.join(sorted(Image.OPEN))}"
        )


@contextmanager
def translate_faults() -> Iterator[None]:
    """Turn what Pillow raises on a bad file into an ImageError; a lack of memory is not the file's fault."""
    from PIL import Image

    try:
        yield
    except Image.DecompressionBombError as error:
        n_pixels = int(re.findall(r"\d+", str(error))[0])
        raise _refuse_pixels(n_pixels, _limit.get() or 2 * (Image.MAX_IMAGE_PIXELS or n_pixels)) from None
    except _BAD_FILE as error:
        words = " ".join(re.sub(r"<[^>]*>", "file", str(error)).split())[:160]
        is_cut = isinstance(error, EOFError) or "truncated" in words.lower()
        reason = "truncated" if is_cut else "corrupt"
        raise ImageError(reason, words or type(error).__name__) from None


def open_image(data: bytes, formats: Sequence[str], max_pixels: int) -> "Image":
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
            return Image.open(io.BytesIO(data), formats=list(formats))
        except UnidentifiedImageError:
            raise _explain_unidentified(data, formats) from None


@contextmanager
def limit_pixels(max_pixels: int) -> Iterator[None]:
    """Let Pillow refuse more than `max_pixels` in this thread, before a decoder takes memory.

    It asks again when it decodes a TIFF or meets a picture in an icon. Its own limit stays that of others.
    """
    _take_over_check()
    token = _limit.set(max_pixels)
    try:
        yield
    finally:
        _limit.reset(token)


@functools.cache
def _take_over_check() -> None:
    """Put a check in place of Pillow's that obeys the limit of its thread, if there is one."""
    from PIL import Image

    check_as_before = Image._decompression_bomb_check

    def check(size: tuple[int, int], *, error_only: bool = False) -> None:
        if (max_pixels := _limit.get()) is None:
            check_as_before(size, error_only=error_only)
        elif (n_pixels := max(1, size[0]) * max(1, size[1])) > max_pixels:
            raise Image.DecompressionBombError(f"{n_pixels} pixels")

    Image._decompression_bomb_check = check


def _is_cut_webp(data: bytes) -> bool:
    """Whether a WebP's header promises more bytes than there are; its decoder would only say "failed"."""
    return data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data)


def _explain_unidentified(data: bytes, formats: Sequence[str]) -> ImageError:
    """Why no allowed decoder opens a file: it has another format, is damaged at its start, or is no image."""
    said = next((name for at, magic, name in _MAGIC if data[at : at + len(magic)] == magic), None)
    if said in formats:
        return ImageError("corrupt", f"it starts as a {said} and cannot be opened")
    if said := said or _ask_pillow(data, formats):
        return ImageError("unsupported_format", f"a {said} file; allowed: {', '.join(formats)}")
    return ImageError("not_an_image", f"starts with {data[:8].hex(' ')}")


def _ask_pillow(data: bytes, formats: Sequence[str]) -> str | None:
    """The format by Pillow's other plugins, from the header only: nothing is decoded."""
    from PIL import Image

    Image.init()
    try:
        with (
            translate_faults(),
            Image.open(io.BytesIO(data), formats=sorted(set(Image.OPEN) - set(formats))) as image,
        ):
            return image.format
    except ImageError:
        return None


def name_format(image: "Image") -> str:
    """Pillow's name of the format; a JPEG with further pictures in it (MPO) is a JPEG."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def check_size(image: "Image", max_pixels: int, min_side_px: int) -> None:
    """Raise ImageError if the header states more than `max_pixels`, or a side under `min_side_px`."""
    width, height = image.size
    if width * height > max_pixels:
        raise _refuse_pixels(width * height, max_pixels)
    if min(width, height) < min_side_px:
        raise ImageError("too_small", f"{width} x {height} pixels; sides from {min_side_px} are allowed")


def _refuse_pixels(n_pixels: int, max_pixels: int) -> ImageError:
    return ImageError("too_many_pixels", f"{n_pixels:,} pixels; up to {max_pixels:,} are allowed")


def count_frames(image: "Image") -> int:
    """The number of frames or pages; the image is left at its first. Raises ImageError.

    A GIF counts as 2 if it has more than one frame, a TIFF up to 1,000: no header states their numbers.
    """
    with translate_faults():
        if image.format == "GIF":
            return 2 if getattr(image, "is_animated", False) else 1
        n_frames = _count_pages(image) if image.format == "TIFF" else int(getattr(image, "n_frames", 1))
        if n_frames > 1:
            image.seek(0)
        return n_frames


def _count_pages(image: "Image") -> int:
    for n_pages in range(1, _MAX_PAGES):
        try:
            image.seek(n_pages)
        except EOFError:
            return n_pages
    return _MAX_PAGES


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


def reduce_decode(image: "Image", mode: str, size: tuple[int, int]) -> Box | None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8 if both sides stay at least `size`; leave other formats alone.

    Returns the box of the picture in what will be decoded (its last column and row may be cut), or None.
    """
    with translate_faults():
        drafted = image.draft(mode, size)
        return drafted[1] if drafted else None


def flatten(image: "Image") -> tuple["Image", list[str]]:
    """The image decoded to mode L or RGB with nothing transparent, and the repairs that were made."""
    from PIL import Image

    with translate_faults():
        image.load()
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            return Image.fromarray(_scale_to_eight_bits(np.asarray(image))), ["sixteen_bit"]
        repairs = [name for name, mode in (("palette", "P"), ("cmyk", "CMYK")) if image.mode == mode]
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            if layer.getchannel("A").getextrema() == (255, 255):
                return layer.convert("RGB"), repairs
            white = Image.new("RGB", layer.size, "white")
            white.paste(layer, mask=layer.getchannel("A"))
            return white, [*repairs, "alpha"]
        mode = "L" if image.mode in ("1", "L") else "RGB"
        return image if image.mode == mode else image.convert(mode), repairs


def _scale_to_eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of any depth as uint8: full scale is 16 bits, 8 bits or 1.0, whichever holds them all.

    16-bit modes always count as full-scale 16 bits. Values that fit no scale are stretched from their minimum
    to their maximum.
    """
    if values.dtype.kind == "u":
        return (values >> 8).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    is_fraction = values.dtype.kind == "f" and high <= 1
    if low < 0 or high > 65535:
        scaled = (numbers - low) * (255 / max(high - low, 1e-9))
    else:
        scaled = numbers * (255 if is_fraction else 1 if high <= 255 else 1 / 257)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
