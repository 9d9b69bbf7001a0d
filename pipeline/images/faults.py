"""What Pillow raises on bad files, as errors with a reason; the limit on pixels, before memory is taken."""

import functools
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipeline.errors import ImageError

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

# What this thread allows a picture to have, while it works on one; None: Pillow's own limit.
_limit: ContextVar[int | None] = ContextVar("max_pixels", default=None)


@contextmanager
def translate_faults() -> Iterator[None]:
    """Turn what Pillow raises on a bad file into an ImageError; a lack of memory is not the file's fault."""
    from PIL import Image

    try:
        yield
    except Image.DecompressionBombError as error:
        n_pixels = int(re.findall(r"\d+", str(error))[0])
        raise refuse_pixels(n_pixels, _limit.get() or 2 * (Image.MAX_IMAGE_PIXELS or n_pixels)) from None
    except _BAD_FILE as error:
        words = " ".join(re.sub(r"<[^>]*>", "file", str(error)).split())[:160]
        is_cut = isinstance(error, EOFError) or "truncated" in words.lower()
        reason = "truncated" if is_cut else "corrupt"
        raise ImageError(reason, words or type(error).__name__) from None


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


def refuse_pixels(n_pixels: int, max_pixels: int) -> ImageError:
    """The error of a picture with more pixels than are allowed."""
    return ImageError("too_many_pixels", f"{n_pixels:,} pixels; up to {max_pixels:,} are allowed")
