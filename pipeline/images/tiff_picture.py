"""A TIFF's page as a picture of 8 bits: its samples, as grey, colours, palette or inks."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.depths import EightBits, Guess, Stated, make_eight_bits
from pipeline.images.faults import translate_faults
from pipeline.images.tiff_layout import (
    INDEXED,
    MIN_IS_WHITE,
    ORIENTATION,
    PALETTE,
    UNSIGNED,
    Layout,
    refuse_layout,
)
from pipeline.images.tiff_samples import is_cut, read_samples
from pipeline.images.tiff_tags import Page
from pipeline.images.upright import turn_upright

if TYPE_CHECKING:
    from PIL.Image import Image

_SMALLEST, _LARGEST, _S_SMALLEST, _S_LARGEST, _GDAL_NODATA = 280, 281, 340, 341, 42113
_MAX_INDEX_BITS = 16


def decode_page(
    page: Page, layout: Layout, max_pixels: int, series: Sequence[Guess] = ()
) -> tuple["Image", list[str], Guess | None]:
    """The upright picture of a page, of mode L, LA, RGB, RGBA or CMYK, repairs, and the scale if guessed.

    Raises:
        ImageError: samples are missing or damaged.
    """
    try:
        values = read_samples(page, layout, max_pixels)
    except ImageError as error:
        if error.refusal.reason == "corrupt" and is_cut(page, layout):
            raise ImageError(
                "truncated", f"a strip or tile lies beyond the end: {error.refusal.detail}"
            ) from None
        raise
    colours, repairs, guess = _make_colours(values[..., : layout.n_colours], page, layout, series)
    alpha, is_multiplied = None, False
    if layout.alpha:
        is_multiplied = layout.alpha[1]
        alpha = make_eight_bits(values[..., -1], Stated(layout.bits)).pixels
    image = _join(colours, alpha, is_multiplied=is_multiplied)
    return turn_upright(image, page.read_number(ORIENTATION, 1)), repairs, guess


def _make_colours(values: NDArray[Any], page: Page, layout: Layout, series: Sequence[Guess]) -> EightBits:
    """uint8 [height, width, 1, 3 or 4] of the samples of the colours."""
    if layout.photometric == INDEXED:
        return _look_up(values[..., 0], page, layout)
    made = make_eight_bits(values, _read_stated(page, layout), series)
    return made._replace(pixels=255 - made.pixels) if layout.photometric == MIN_IS_WHITE else made


def _look_up(index: NDArray[Any], page: Page, layout: Layout) -> EightBits:
    """The colours of a palette, which some scanners write in bytes where 16 bits are meant."""
    n = 1 << layout.bits
    palette = page.read_array(PALETTE, 3 * n if layout.bits <= _MAX_INDEX_BITS else 0)
    if layout.kind != UNSIGNED or len(palette) < 3 * n:
        raise refuse_layout(f"a palette of {len(palette)} numbers for {layout.bits} bits")
    is_of_bytes = int(palette.max()) <= 255
    colours = (palette if is_of_bytes else palette >> 8).astype(np.uint8).reshape(3, n).T
    return EightBits(colours[index], ["palette", "byte_palette"] if is_of_bytes else ["palette"], None)


def _read_stated(page: Page, layout: Layout) -> Stated:
    """What the header says of the values. Its largest value stands for the bits that it needs."""
    nodata = _parse(page.read_text(_GDAL_NODATA))
    smallest, largest = (
        _parse(next(iter([*page.read_numbers(signed, 1), *page.read_numbers(plain, 1)]), None))
        for signed, plain in ((_S_SMALLEST, _SMALLEST), (_S_LARGEST, _LARGEST))
    )
    if layout.kind == UNSIGNED:
        full = (1 << layout.bits) - 1
        white = (1 << int(largest).bit_length()) - 1 if largest and 1 < largest < full else None
        return Stated(layout.bits, 0.0, white, nodata or None)
    if smallest is None or largest is None or smallest >= largest:
        return Stated(layout.bits, nodata=nodata)
    return Stated(layout.bits, smallest, largest, nodata)


def _parse(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _join(colours: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, *, is_multiplied: bool) -> "Image":
    from PIL import Image

    height, width, n = colours.shape
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[n]
    with translate_faults():
        image = Image.frombytes(mode, (width, height), np.ascontiguousarray(colours).tobytes())
        if alpha is None:
            return image
        if image.mode == "CMYK":
            image = image.convert("RGB")
        if not is_multiplied:
            image.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
            return image
        bands = np.dstack((*np.moveaxis(np.asarray(image.convert("RGB")), 2, 0), alpha))
        return Image.frombytes("RGBa", (width, height), bands.tobytes()).convert("RGBA")
