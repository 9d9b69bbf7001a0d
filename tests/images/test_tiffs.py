"""TIFFs as scanners, cameras and instruments make them: right, or refused by name; never scrambled."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.hostile_files import many_ifds, many_strips
from benchmarks.tiff_files import HEIGHT, WIDTH, Kind, draw_view, join_tiff, list_kinds, make_tiff, write_tiff
from benchmarks.tiffs import judge
from pipeline.errors import ImageError
from tests.effort import limit_effort
from tests.images.scenes import FORMATS, develop_bytes, inspect_bytes

KINDS = list(list_kinds())
GREY, DEEP = Kind("grey"), Kind("grey", bits=16)
VIEW = draw_view()
LUMA = np.rint(VIEW @ [0.299, 0.587, 0.114]).astype(np.uint16)[..., None]
SIZE = (HEIGHT, WIDTH)


def differ(data: bytes, shown: NDArray[Any]) -> float:
    """The mean difference of the developed picture from what is meant, of 255."""
    return float(np.abs(develop_bytes(data, image_hw=SIZE).astype(float) - shown).mean())


def test_the_matrix_is_large() -> None:
    assert len(KINDS) > 10_000
    assert len({str(kind) for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("part", range(5))
def test_every_valid_tiff_is_read_right(part: int) -> None:
    """One of thirteen of `python -m benchmarks.tiffs`: every depth, layout, compression, predictor."""
    wrong = {}
    for kind in KINDS[part * 13 :: 67]:
        said = judge(*make_tiff(kind))
        if said != "right":
            wrong[str(kind)] = said
    assert wrong == {}


@pytest.mark.parametrize("kind", [Kind("white", bits=16), Kind("rgb", bits=16, planar=True)], ids=str)
def test_validate_and_clean_see_the_same(kind: Kind) -> None:
    data, shown = make_tiff(kind)
    found = inspect_bytes(data)
    assert (found.width, found.height, found.reason) == (WIDTH, HEIGHT, "")
    assert found.brightness == pytest.approx(shown.mean() / 255, abs=0.03)
    assert found.repairs == ("sixteen_bit",)
    assert found.mode == {"white": "L;16", "rgb": "RGB;16"}[kind.colour]


@pytest.mark.parametrize(
    ("bits", "more", "repairs"),
    [
        pytest.param(12, {}, ("sixteen_bit", "guessed_scale"), id="12 bits, nothing said"),
        pytest.param(10, {}, ("sixteen_bit", "guessed_scale"), id="10 bits, nothing said"),
        pytest.param(12, {281: (3, [4095])}, ("sixteen_bit",), id="12 bits, stated"),
        pytest.param(14, {281: (3, [16383])}, ("sixteen_bit",), id="14 bits, stated"),
        pytest.param(14, {281: (3, [15000])}, ("sixteen_bit",), id="14 bits, the largest value stated"),
        pytest.param(16, {281: (3, [65535])}, ("sixteen_bit",), id="16 bits, stated"),
        pytest.param(16, {281: (3, [99])}, ("sixteen_bit",), id="16 bits, and a statement that is wrong"),
    ],
)
def test_bits_in_sixteen(bits: int, more: dict[int, Any], repairs: tuple[str, ...]) -> None:
    data = write_tiff(DEEP, LUMA << (bits - 8), more=more)
    assert differ(data, LUMA) < 1
    assert inspect_bytes(data).repairs == repairs


NODATA = b"-9999\0"


def make_float(values: NDArray[Any], more: dict[int, Any] | None = None) -> bytes:
    return write_tiff(Kind("grey", bits=32, sample="f"), values.astype(np.float32), more=more)


def put(values: NDArray[Any], *lone: float) -> NDArray[Any]:
    """Values with some at the left edge replaced."""
    changed = values.astype(np.float64)
    for i, value in enumerate(lone):
        changed[i, 0] = value
    return changed


@pytest.mark.parametrize(
    ("values", "more", "repairs"),
    [
        pytest.param(LUMA / 255, {}, set(), id="0 to 1"),
        pytest.param(LUMA * 1.0, {}, set(), id="0 to 255"),
        pytest.param(LUMA * (4095 / 255), {}, {"guessed_scale"}, id="0 to 4095"),
        pytest.param(LUMA * 257.0, {}, set(), id="0 to 65535"),
        pytest.param(put(LUMA / 255, -9999), {}, {"nodata"}, id="one of -9999"),
        pytest.param(put(LUMA / 255, *[-9999] * 9), {}, {"nodata"}, id="some of -9999"),
        pytest.param(put(LUMA / 255, -3.4e38, np.nan), {}, {"nodata"}, id="-3.4e38 and not a number"),
        pytest.param(put(LUMA / 255, -9999, -3.4e38), {}, {"nodata"}, id="two that are none"),
        pytest.param(put(LUMA / 255, 1e20), {}, {"nodata"}, id="one of 1e20"),
        pytest.param(put(LUMA * 1.0, -1), {42113: (2, b"-1\0")}, {"nodata"}, id="GDAL says which is none"),
    ],
)
def test_floats(values: NDArray[Any], more: dict[int, Any], repairs: set[str]) -> None:
    data = make_float(values, more)
    assert differ(data, LUMA) < 1.5
    assert set(inspect_bytes(data).repairs) == {"sixteen_bit"} | repairs


def test_a_height_map_is_stretched_without_its_outliers() -> None:
    heights = LUMA / 255 * 40 - 20
    heights[0, 0] = 90  # a bird
    picture = develop_bytes(make_float(heights), image_hw=SIZE)
    plain = develop_bytes(make_float(LUMA / 255 * 40 - 20), image_hw=SIZE)
    assert np.abs(picture.astype(int) - plain).mean() < 1
    assert inspect_bytes(make_float(heights)).repairs == ("sixteen_bit", "guessed_scale")


@pytest.mark.parametrize("factor", [257, 1])
def test_a_palette_of_bytes(factor: int) -> None:
    ramp = np.arange(256)
    palette = np.concatenate([ramp, 255 - ramp, ramp // 2]) * factor
    data = write_tiff(Kind("palette"), LUMA.astype(np.uint8), palette.tolist())
    luma = LUMA[..., 0].astype(int)
    assert differ(data, np.dstack([luma, 255 - luma, luma // 2])) < 1
    assert inspect_bytes(data).repairs == (("palette", "byte_palette") if factor == 1 else ("palette",))


@pytest.mark.parametrize("compression", [1, 8])
def test_fewer_samples_of_colour_than_of_luma(compression: int) -> None:
    """YCbCr 4:2:0 as scanners write it, in units of four luma, one Cb and one Cr."""
    y, cb, cr = (np.asarray(band) for band in Image.fromarray(draw_view(64, 48)).convert("YCbCr").split())
    cb, cr = cb[::2, ::2], cr[::2, ::2]
    units = np.stack([y[::2, ::2], y[::2, 1::2], y[1::2, ::2], y[1::2, 1::2], cb, cr], axis=-1)
    strips = [units[top : top + 8].tobytes() for top in range(0, 24, 8)]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    at = [16, 16 + len(strips[0]), 16 + len(strips[0]) + len(strips[1])]
    tags: dict[int, Any] = {256: (3, [64]), 257: (3, [48]), 258: (3, [8] * 3), 259: (3, [compression])}
    tags |= {262: (3, [6]), 273: (4, at), 277: (3, [3]), 278: (3, [16]), 279: (4, [*map(len, strips)])}
    data = join_tiff(b"".join(strips), [tags | {530: (3, [2, 2])}])
    bands = [Image.fromarray(np.kron(band, np.ones((2, 2), np.uint8))) for band in (cb, cr)]
    shown = np.asarray(Image.merge("YCbCr", [Image.fromarray(y), *bands]).convert("RGB"))
    assert np.abs(develop_bytes(data, image_hw=(48, 64)).astype(float) - shown).mean() < 1.5
    assert inspect_bytes(data).reason == ""


def make_page(luma: NDArray[Any], at: int, subfile: int | None = None) -> dict[int, Any]:
    """The tags of an 8-bit grey page whose pixels lie at an offset."""
    height, width = luma.shape[:2]
    tags = {256: (3, [width]), 257: (3, [height]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1])}
    tags |= {273: (4, [at]), 277: (3, [1]), 278: (3, [height]), 279: (4, [luma.size])}
    return tags if subfile is None else tags | {254: (4, [subfile])}


SMALL = np.full((8, 10, 1), 99, np.uint8)
BODY = SMALL.tobytes() + LUMA.astype(np.uint8).tobytes()
THUMBNAIL, PAGE = make_page(SMALL, 16, 1), make_page(LUMA, 16 + SMALL.size)


@pytest.mark.parametrize(
    ("data", "repairs", "n_frames"),
    [
        pytest.param(join_tiff(BODY, [PAGE]), (), 1, id="one page"),
        pytest.param(join_tiff(BODY, [PAGE], last=10**6), ("lost_pages",), 1, id="next beyond the end"),
        pytest.param(join_tiff(BODY, [PAGE], last=3), ("lost_pages",), 1, id="next is no page"),
        pytest.param(join_tiff(BODY, [PAGE, PAGE]), ("multi_frame_first",), 2, id="two pages"),
        pytest.param(join_tiff(BODY, [THUMBNAIL, PAGE]), ("thumbnail_first",), 1, id="a thumbnail first"),
        pytest.param(join_tiff(BODY, [PAGE, THUMBNAIL]), (), 1, id="a thumbnail last"),
        pytest.param(
            join_tiff(BODY, [THUMBNAIL, PAGE], order=">", big=True), ("thumbnail_first",), 1, id="BigTIFF, MM"
        ),
        pytest.param(
            join_tiff(BODY, [THUMBNAIL, PAGE, PAGE]), ("multi_frame_first", "thumbnail_first"), 2, id="all"
        ),
    ],
)
def test_which_page_is_the_picture(data: bytes, repairs: tuple[str, ...], n_frames: int) -> None:
    found = inspect_bytes(data)
    assert (found.reason, found.repairs, found.n_frames) == ("", repairs, n_frames)
    assert differ(data, LUMA) < 1


def test_the_picture_of_a_thumbnail_may_lie_below_it() -> None:
    inside = join_tiff(BODY, [THUMBNAIL | {330: (4, [0])}, PAGE])
    at_page = len(join_tiff(BODY, [THUMBNAIL | {330: (4, [0])}]))
    linked = join_tiff(BODY, [THUMBNAIL | {330: (4, [at_page])}, PAGE])
    next_at = at_page - 4
    hidden = linked[:next_at] + bytes(4) + linked[at_page:]
    assert len(inside) == len(hidden)
    assert inspect_bytes(hidden).repairs == ("thumbnail_first",)
    assert differ(hidden, LUMA) < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_deep_pages(orientation: int) -> None:
    plain = develop_bytes(write_tiff(GREY, LUMA.astype(np.uint8), more={274: (3, [orientation])}))
    deep = develop_bytes(write_tiff(DEEP, LUMA * 257, more={274: (3, [orientation])}))
    assert np.array_equal(plain, deep)
    found = inspect_bytes(write_tiff(DEEP, LUMA * 257, more={274: (3, [orientation])}))
    assert (found.width, found.height, found.exif_orientation) == (WIDTH, HEIGHT, orientation)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({259: (3, [34712])}, "compressed with JPEG 2000", id="JPEG 2000"),
        pytest.param({259: (3, [50001])}, "compressed with WebP", id="WebP"),
        pytest.param({259: (3, [12345])}, "compressed with method 12345", id="a compression of no name"),
        pytest.param({262: (3, [32803])}, "raw sensor data; develop it", id="raw data of a camera"),
        pytest.param({262: (3, [32845])}, "LogLuv", id="LogLuv"),
        pytest.param({262: (3, [777])}, "the colour space 777", id="a colour space of no name"),
        pytest.param({339: (3, [6])}, "complex numbers", id="complex"),
        pytest.param({258: (3, [48])}, "numbers of 48 bits", id="48 bits"),
        pytest.param({277: (3, [7]), 258: (3, [8] * 7)}, "7 bands", id="seven bands"),
        pytest.param(
            {277: (3, [3]), 258: (3, [5, 6, 5]), 262: (3, [2])}, "different bits", id="5, 6, 5 bits"
        ),
        pytest.param({256: (3, [1]), 278: (3, [1]), 257: (4, [200_000])}, "200,000 strips", id="many strips"),
        pytest.param({262: (3, [3])}, "a palette of 0 numbers", id="a palette that is not there"),
        pytest.param({317: (3, [34892]), 259: (3, [5]), 258: (3, [16])}, "predictor", id="a predictor"),
    ],
)
def test_what_cannot_be_read_is_named(changes: dict[int, Any], says: str) -> None:
    data = join_tiff(BODY, [PAGE | changes])
    found = inspect_bytes(data)
    assert found.reason == "unsupported_format"
    assert says in found.detail
    assert "save it as" in found.detail or "develop it" in found.detail


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(write_tiff(DEEP, LUMA)[:-200], "truncated", id="without the end of its tags"),
        pytest.param(join_tiff(BODY[:-99], [PAGE | {258: (3, [16])}]), "truncated", id="half its samples"),
        pytest.param(join_tiff(BODY, [PAGE | {273: (4, [10**8])}]), "truncated", id="strips beyond the end"),
        pytest.param(join_tiff(BODY, [PAGE | {259: (3, [8]), 258: (3, [16])}]), "corrupt", id="not deflate"),
        pytest.param(join_tiff(BODY, [PAGE | {256: (3, [0])}]), "corrupt", id="no width"),
        pytest.param(
            join_tiff(BODY, [PAGE | {256: (4, [10**6]), 257: (4, [10**6])}]), "too_many_pixels", id="large"
        ),
        pytest.param(
            join_tiff(BODY, [PAGE | {277: (3, [60000]), 262: (3, [2]), 258: (3, [16])}]),
            "too_many_pixels",
            id="many samples",
        ),
        pytest.param(
            join_tiff(BODY, [PAGE | {322: (4, [1 << 24]), 323: (4, [1 << 24]), 258: (3, [16])}]),
            "too_many_pixels",
            id="a tile much larger than the page",
        ),
        pytest.param(b"II*\0", "truncated", id="four bytes"),
        pytest.param(b"MM\0+" + struct.pack(">HHQ", 8, 0, 0), "corrupt", id="no page"),
    ],
)
def test_damaged_tiffs(data: bytes, reason: str) -> None:
    found = inspect_bytes(data)
    assert found.reason == reason
    with pytest.raises(ImageError) as caught:
        develop_bytes(data, max_pixels=1_000_000)
    assert caught.value.refusal == (reason, found.detail)


@pytest.mark.parametrize(
    ("data", "n_frames"),
    [
        pytest.param(many_ifds(300_000, circular=False), 1000, id="300,000 pages"),
        pytest.param(many_ifds(2, circular=True), 2, id="two in a circle"),
        pytest.param(many_strips(100_000), 1, id="100,000 strips"),
        pytest.param(many_strips(500_000), None, id="500,000 strips"),
        pytest.param(join_tiff(BODY, [PAGE | {258: (3, [16] * 60_000)}]), 1, id="60,000 numbers of bits"),
    ],
)
def test_hostile_tiffs_take_no_time(data: bytes, n_frames: int | None) -> None:
    with limit_effort(300):
        assert inspect_bytes(data, formats=FORMATS, min_side_px=1).n_frames == n_frames
