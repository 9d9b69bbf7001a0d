"""How the samples of a TIFF's page are laid out: their size, kind, compression, planes, strips or tiles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ImageError
from pipeline.images.tiff_tags import Page

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS, STRIP_BYTES = 273, 274, 277, 278, 279
PLANES, PREDICTOR, PALETTE, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = (
    284,
    317,
    320,
    322,
    323,
    324,
    325,
)
EXTRA, FORMAT = 338, 339

MIN_IS_WHITE, MIN_IS_BLACK, RGB, INDEXED, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
UNSIGNED, SIGNED, FLOAT, UNTYPED = 1, 2, 3, 4
RAW, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD = 1, 5, 7, 8, 32946, 32773, 34925, 50000
LOSSLESS = (RAW, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD)  # decoded to the same bytes of any layout
_PREDICTED = (LZW, DEFLATE, OLD_DEFLATE, LZMA, ZSTD)
_BY_PILLOW = (2, 3, 4, 6, JPEG, 32809)  # CCITT, old and new JPEG, ThunderScan
_COMPRESSIONS = {
    9: "JBIG", 10: "JBIG", 32766: "NeXT", 32909: "PixarLog", 33003: "JPEG 2000", 33004: "JPEG 2000",
    33005: "JPEG 2000", 34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34712: "JPEG 2000",
    34887: "LERC", 34892: "lossy JPEG of raw data", 34933: "PNG", 34934: "JPEG XR", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_PHOTOMETRICS = {
    MASK: "a mask", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip
_RAW_DATA = (32803, 34892)
_COLOURS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, INDEXED: 1, CMYK: 4, YCBCR: 3, CIELAB: 3}
_MAX_CHUNKS = 1 << 17  # strips of one row each of 131,072 rows
ASSOCIATED, UNASSOCIATED, OF_COREL_DRAW = 1, 2, 999  # kinds of alpha among extra samples


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a page.

    Attributes:
        width, height: in pixels, as stored.
        chunk_w, chunk_h: of its strips or tiles, in pixels.
        bits: of a sample.
        kind: UNSIGNED, SIGNED or FLOAT.
        n_samples: of a pixel.
        n_colours: how many of these are colours or grey; the rest are extra.
        alpha: which sample is the alpha, and whether the colours are multiplied with it; None without.
        is_planar: whether every sample has strips of its own.
    """

    width: int
    height: int
    chunk_w: int
    chunk_h: int
    bits: int
    kind: int
    n_samples: int
    n_colours: int
    alpha: tuple[int, bool] | None
    is_planar: bool
    is_tiled: bool
    compression: int
    photometric: int
    predictor: int

    @property
    def n_planes(self) -> int:
        """How many planes have strips or tiles of their own."""
        return self.n_samples if self.is_planar else 1

    @property
    def n_in_plane(self) -> int:
        """Samples of a pixel in a plane."""
        return 1 if self.is_planar else self.n_samples

    @property
    def across(self) -> int:
        """How many tiles are beside each other."""
        return math.ceil(self.width / self.chunk_w)

    @property
    def n_chunks(self) -> int:
        """Strips or tiles of a plane."""
        return self.across * math.ceil(self.height / self.chunk_h)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of a strip or tile."""
        return math.ceil(self.chunk_w * self.n_in_plane * self.bits / 8)

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole page, unpacked."""
        return self.row_bytes * self.across * self.height * self.n_planes


def read_layout(page: Page) -> Layout:
    """The layout of a page.

    Raises:
        ImageError: corrupt, if it contradicts itself; unsupported_format, if samples have different sizes.
    """
    width, height = page.read_number(WIDTH, 0), page.read_number(HEIGHT, 0)
    compression, n_samples = page.read_number(COMPRESSION, RAW), page.read_number(SAMPLES, 0)
    if not n_samples:
        n_samples = max(1, len(page.read_numbers(BITS, 16)))
    is_tiled = TILE_WIDTH in page.entries
    chunk_w = page.read_number(TILE_WIDTH, 0) if is_tiled else width
    chunk_h = page.read_number(TILE_HEIGHT, 0) if is_tiled else min(height, page.read_number(ROWS, height))
    if min(width, height, chunk_w, chunk_h) < 1 or not 1 <= n_samples <= 1 << 16:
        raise ImageError("corrupt", f"a TIFF of {width} x {height} pixels of {n_samples} samples")
    bits = _read_same(page, BITS, 1, "bits", n_samples)
    photometric = page.read_number(PHOTOMETRIC, RGB if n_samples > 2 else MIN_IS_BLACK)
    n_colours = min(n_samples, _COLOURS.get(photometric, 1))
    predictor = page.read_number(PREDICTOR, 1) if compression in _PREDICTED else 1
    return Layout(
        width,
        height,
        chunk_w,
        chunk_h,
        bits,
        _read_same(page, FORMAT, UNSIGNED, "formats", n_samples),
        n_samples,
        n_colours,
        _find_alpha(page.read_numbers(EXTRA, 64), n_samples, n_colours),
        page.read_number(PLANES, 1) == 2 and n_samples > 1,
        is_tiled,
        compression,
        photometric,
        predictor,
    )


def _read_same(page: Page, tag: int, default: int, what: str, n_samples: int) -> int:
    """The value of a tag that is the same for all samples."""
    values = page.read_numbers(tag, n_samples)
    if len(set(values)) > 1:
        raise refuse_layout(f"samples of different {what} ({', '.join(map(str, values[:8]))})")
    value = int(values[0]) if values else default
    return UNSIGNED if tag == FORMAT and value == UNTYPED else value


def _find_alpha(extra: Sequence[int], n_samples: int, n_colours: int) -> tuple[int, bool] | None:
    """An extra sample that says it is an alpha; or the fourth of four in colour of which nothing is said."""
    for place, kind in enumerate(extra[: n_samples - n_colours], start=n_colours):
        if kind in (ASSOCIATED, UNASSOCIATED, OF_COREL_DRAW):
            return place, kind == ASSOCIATED
    return (
        (n_colours, False)
        if not extra and n_samples == n_colours + 1 and n_colours == _COLOURS[RGB]
        else None
    )


def is_for_pillow(layout: Layout) -> bool:
    """Whether Pillow decodes this layout right; for others its samples are read here."""
    if layout.kind != UNSIGNED or layout.is_planar:
        return False
    if layout.compression in _BY_PILLOW:
        return True
    if layout.compression not in LOSSLESS or layout.photometric in (YCBCR, CIELAB):
        return layout.compression in LOSSLESS
    is_plain = layout.n_samples == layout.n_colours
    if layout.photometric in (MIN_IS_WHITE, MIN_IS_BLACK):
        return is_plain and layout.bits in (1, 8)
    return is_plain and layout.photometric == RGB and layout.bits == 8


def name_mode(layout: Layout) -> str:
    """A name as Pillow's for modes of 8 bits, with kind and bits: L;16, RGBA;32, L;F32."""
    kind = {FLOAT: "F", SIGNED: "S"}.get(layout.kind, "")
    colours = {RGB: "RGB", CMYK: "CMYK", INDEXED: "P"}.get(layout.photometric, "L")
    name = f"{colours}{'A' if layout.alpha else ''}"
    return name if (layout.kind, layout.bits) == (UNSIGNED, 8) else f"{name};{kind}{layout.bits}"


def check_chunks(layout: Layout) -> None:
    """Raise ImageError (unsupported_format) for so many strips or tiles that listing them takes long."""
    n = layout.n_chunks * layout.n_planes
    if n > _MAX_CHUNKS:
        raise refuse_layout(f"{n:,} strips or tiles; up to {_MAX_CHUNKS:,} are read")


def check_readable(layout: Layout) -> None:
    """Raise ImageError (unsupported_format) unless the samples of this layout can be read here."""
    if layout.photometric in _RAW_DATA:
        raise refuse_layout("raw sensor data", "develop it to JPEG or TIFF")
    if layout.compression not in (*LOSSLESS, JPEG):
        name = _COMPRESSIONS.get(layout.compression, f"method {layout.compression}")
        raise refuse_layout(f"compressed with {name}")
    if layout.photometric in _PHOTOMETRICS or layout.photometric not in _COLOURS:
        name = _PHOTOMETRICS.get(layout.photometric, f"the colour space {layout.photometric}")
        raise refuse_layout(name)
    if layout.compression == JPEG and (layout.bits != 8 or layout.photometric in (YCBCR, CIELAB)):
        raise refuse_layout(f"JPEG of {layout.bits} bits in {layout.n_planes} planes")
    if layout.kind not in (UNSIGNED, SIGNED, FLOAT):
        raise refuse_layout("complex numbers")
    if layout.bits not in ((16, 32, 64) if layout.kind == FLOAT else (*range(1, 33), 64)):
        raise refuse_layout(f"numbers of {layout.bits} bits")
    if layout.n_colours < _COLOURS[layout.photometric]:
        raise refuse_layout(f"{layout.n_samples} samples of colour space {layout.photometric}")
    n_rest = layout.n_samples - layout.n_colours
    if layout.photometric in (YCBCR, CIELAB) or (layout.photometric <= MIN_IS_BLACK and n_rest > 1):
        raise refuse_layout(f"{layout.n_samples} bands of colour space {layout.photometric}")
    if layout.predictor not in (1, 2, 3) or (layout.predictor > 1 and layout.bits % 8):
        raise refuse_layout(f"the predictor {layout.predictor} of {layout.bits} bits")


def refuse_layout(what: str, advice: str = "save it as RGB or grey of 8 or 16 bits, with LZW") -> ImageError:
    """The error of a layout that cannot be read."""
    return ImageError("unsupported_format", f"a TIFF with {what}; {advice}")
