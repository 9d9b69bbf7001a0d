"""Opening files: what is put right, and a reason for every file that is none; the same in both passes."""

import io
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.bombs import gif_header, png
from pipeline.errors import ImageError, ParamsError
from pipeline.images.faults import limit_pixels, translate_faults
from pipeline.images.picture import make_thumbnail
from pipeline.images.reading import check_formats, count_reduction, reduce_decode
from pipeline.refusals import REASONS
from tests.effort import limit_effort
from tests.images.scenes import (
    FORMATS,
    UPRIGHT,
    develop_bytes,
    draw_noise,
    draw_scene,
    encode,
    inspect_bytes,
    name_corners,
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_once(kind: str, orientation: int) -> None:
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that EXIF's rotation undoes
    stored = draw_scene(480, 320)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(turns[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(stored, kind, exif=exif)
    found = inspect_bytes(data)
    assert (found.width, found.height) == stored.size
    assert found.exif_orientation == orientation
    assert found.repairs == (() if orientation == 1 else ("exif_rotation",))
    assert name_corners(develop_bytes(data, image_hw=(16, 24))) == UPRIGHT


def test_damaged_exif_does_not_lose_a_picture() -> None:
    data = encode(draw_scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert inspect_bytes(data).reason == ""
    assert name_corners(develop_bytes(data)) == UPRIGHT


def make_transparent(mode: str) -> bytes:
    """A black square whose right half is transparent."""
    if mode == "P":
        image = Image.new("P", (8, 8), 0)
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.paste(1, (4, 0, 8, 8))
        return encode(image, transparency=1)
    if mode in ("L", "RGB"):
        image = Image.new(mode, (8, 8), "black")
        image.paste((9, 9, 9) if mode == "RGB" else 9, (4, 0, 8, 8))
        return encode(image, transparency=(9, 9, 9) if mode == "RGB" else 9)
    image = Image.new(mode, (8, 8), (0, 255) if mode == "LA" else (0, 0, 0, 255))
    image.putalpha(Image.fromarray(np.repeat(np.array([[255] * 4 + [0] * 4], np.uint8), 8, axis=0)))
    return encode(image)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_composited_on_white(mode: str, channels: int) -> None:
    data = make_transparent(mode)
    found = inspect_bytes(data)
    assert "alpha" in found.repairs
    assert found.brightness == pytest.approx(0.5)
    picture = develop_bytes(data, channels=channels)
    assert picture.shape == (8, 8, channels)
    assert (picture[:, 1].max(), picture[:, 6].min()) == (0, 255)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(np.array([[0, 256, 32768, 65535]], np.uint16), [0, 1, 128, 255], id="16 bits"),
        pytest.param(np.array([[0, 1, 128, 255]], np.int32), [0, 1, 128, 255], id="32 bits that hold 8"),
        pytest.param(
            np.array([[0, 257, 32896, 65535]], np.int32), [0, 1, 128, 255], id="32 bits that hold 16"
        ),
        pytest.param(np.array([[-100, 0, 100, 155]], np.int32), [0, 100, 200, 255], id="below zero"),
        pytest.param(np.array([[0, 0.25, 0.5, 1]], np.float32), [0, 64, 128, 255], id="fractions"),
        pytest.param(np.array([[0, 64, 128, 255]], np.float32), [0, 64, 128, 255], id="floats that hold 8"),
        pytest.param(
            np.array([[0, 65535, 257, 65535]], np.float32), [0, 255, 1, 255], id="floats that hold 16"
        ),
        pytest.param(np.array([[np.nan, 1, 0, np.inf]], np.float32), [0, 255, 0, 0], id="not numbers"),
    ],
)
def test_depths_become_eight_bits(values: NDArray[Any], expected: list[int]) -> None:
    data = encode(Image.fromarray(np.repeat(values, 4, axis=0)), "TIFF")
    assert inspect_bytes(data).repairs[0] == "sixteen_bit"
    picture = develop_bytes(data, image_hw=(4, 4), channels=1)
    assert picture[0, :, 0].tolist() == expected


def test_sixteen_bit_png() -> None:
    data = encode(Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)))
    assert inspect_bytes(data).repairs == ("sixteen_bit",)
    assert np.unique(develop_bytes(data)).tolist() == [0x80]


def make_gif(n: int) -> bytes:
    return encode(draw_scene(mode="P"), "GIF", save_all=True, append_images=[draw_noise(48, 32)] * (n - 1))


JPEG, PNG = encode(draw_noise(), "JPEG", quality=90), encode(draw_noise())
WEBP, TIFF, GIF = encode(draw_noise(), "WEBP"), encode(draw_noise(), "TIFF"), make_gif(1)
BAD = [
    pytest.param(b"", "empty", id="empty"),
    pytest.param(b"hello, world", "not_an_image", id="text"),
    pytest.param(bytes(5000), "not_an_image", id="zeros"),
    pytest.param(JPEG[: len(JPEG) // 2], "truncated", id="half a JPEG"),
    pytest.param(JPEG[:-40], "truncated", id="a JPEG without its end"),
    pytest.param(JPEG[:10], "truncated", id="the start of a JPEG"),
    pytest.param(PNG[: len(PNG) // 2], "truncated", id="half a PNG"),
    pytest.param(PNG[:100] + bytes(64) + PNG[164:], "corrupt", id="a PNG with a hole"),
    pytest.param(WEBP[: len(WEBP) // 2], "truncated", id="half a WEBP"),
    pytest.param(TIFF[: len(TIFF) // 2], "truncated", id="half a TIFF"),
    pytest.param(GIF[: len(GIF) // 2], "truncated", id="half a GIF"),
    pytest.param(encode(draw_noise(), "JPEG2000"), "unsupported_format", id="JPEG 2000"),
    pytest.param(encode(draw_noise(), "PPM"), "unsupported_format", id="PPM where none is declared"),
    pytest.param(encode(draw_noise(), "TGA"), "unsupported_format", id="TGA has no magic"),
    pytest.param(encode(draw_noise(), "ICO"), "unsupported_format", id="ICO"),
    pytest.param(b"%PDF-1.4", "unsupported_format", id="PDF"),
    pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format", id="SVG"),
    pytest.param(make_gif(3), "animated", id="animated GIF"),
    pytest.param(
        encode(draw_scene(), "WEBP", save_all=True, append_images=[draw_noise(48, 32)]),
        "animated",
        id="animated WEBP",
    ),
    pytest.param(
        encode(draw_scene(), "PNG", save_all=True, append_images=[draw_noise(48, 32)]),
        "animated",
        id="animated PNG",
    ),
    pytest.param(encode(draw_noise(1001, 1000)), "too_many_pixels", id="just too many pixels"),
    pytest.param(png(1500, 1000), "too_many_pixels", id="more than Pillow warns at"),
    pytest.param(png(100_000, 100_000), "too_many_pixels", id="a header bomb"),
]


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_bad_files_have_a_reason(data: bytes, reason: str) -> None:
    found = inspect_bytes(data)
    assert (found.reason, found.repairs) == (reason, ())
    assert found.detail
    assert "0x" not in found.detail
    assert reason in REASONS
    with pytest.raises(ImageError) as caught:
        develop_bytes(data, max_pixels=1_000_000)
    assert caught.value.refusal == (reason, found.detail)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(SyntaxError("broken PNG file"), "corrupt", id="SyntaxError"),
        pytest.param(struct.error("unpack requires 4 bytes"), "corrupt", id="struct.error"),
        pytest.param(zlib.error("incorrect header check"), "corrupt", id="zlib.error"),
        pytest.param(EOFError("no more images"), "truncated", id="EOFError"),
        pytest.param(OSError("image file is truncated (3 bytes)"), "truncated", id="OSError"),
        pytest.param(Image.DecompressionBombError("size (9 pixels)"), "too_many_pixels", id="bomb"),
    ],
)
def test_whatever_pillow_raises_has_a_reason(error: Exception, reason: str) -> None:
    with pytest.raises(ImageError) as caught, translate_faults():
        raise error
    assert caught.value.refusal.reason == reason
    assert str(caught.value)


def test_a_lack_of_memory_is_no_fact_about_the_file() -> None:
    with pytest.raises(MemoryError), translate_faults():
        raise MemoryError


SQUARE = draw_noise(40, 40)
ALLOWED = [
    *(pytest.param(encode(SQUARE, kind), id=kind) for kind in FORMATS),
    pytest.param(encode(SQUARE, "TIFF", compression="tiff_lzw"), id="TIFF by libtiff"),
    pytest.param(encode(SQUARE.convert("1"), "TIFF", compression="group4"), id="TIFF of two colours"),
    pytest.param(encode(SQUARE, "TIFF", save_all=True, append_images=[SQUARE]), id="TIFF of two pages"),
    pytest.param(encode(SQUARE, "MPO", save_all=True, append_images=[SQUARE]), id="MPO"),
    pytest.param(encode(SQUARE, "ICO", sizes=[(40, 40)]), id="ICO, a PNG inside"),
    pytest.param(encode(SQUARE, "PPM"), id="PPM"),
]


@pytest.mark.parametrize("data", ALLOWED)
def test_the_cap_is_ours_alone_for_every_format(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would refuse 1,600 pixels here; 1,600 are allowed to us, and 1,599 refuse them."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    formats = (*FORMATS, "ICO", "PPM")
    assert inspect_bytes(data, formats=formats, max_pixels=1600).reason == ""
    assert develop_bytes(data, formats=formats, max_pixels=1600).any()
    thumbnail = make_thumbnail(data, side_px=20, formats=formats, max_pixels=1600)
    assert thumbnail.shape == (20, 20, 3)
    refusal = ("too_many_pixels", "1,600 pixels; up to 1,599 are allowed")
    found = inspect_bytes(data, formats=formats, max_pixels=1599)
    assert (found.reason, found.detail) == refusal
    with pytest.raises(ImageError) as caught:
        develop_bytes(data, formats=formats, max_pixels=1599)
    assert caught.value.refusal == refusal


def test_others_in_the_process_keep_pillows_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread, while a picture is worked on here, and in this one afterwards."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = encode(SQUARE, "PNG")
    with limit_pixels(10_000), ThreadPoolExecutor(1) as pool:
        Image.open(io.BytesIO(data)).load()
        with pytest.raises(Image.DecompressionBombError, match="limit of 200 pixels"):
            pool.submit(Image.open, io.BytesIO(data)).result()
    with pytest.raises(Image.DecompressionBombError, match="limit of 200 pixels"):
        Image.open(io.BytesIO(data))


def test_frames_are_not_counted_for_ever() -> None:
    """A GIF of 800,000 frames takes 24 s to count; a TIFF of 6,000 pages as long."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    film = gif_header(8, 8, 8).removesuffix(b";") + frame * 800_000 + b";"
    with limit_effort(300):
        found = inspect_bytes(film)
        assert (found.reason, found.detail, found.n_frames) == ("animated", "2 frames or more", 2)
        small = Image.new("L", (4, 4))
        book = encode(small, "TIFF", save_all=True, append_images=[small] * 1100)
        assert inspect_bytes(book).n_frames == 1000


def test_unknown_formats_are_a_params_error() -> None:
    check_formats(FORMATS)
    with pytest.raises(ParamsError, match=r"unknown JPG; allowed: .*JPEG"):
        check_formats(["JPG", "PNG"])


MESSY = Path(__file__).resolve().parents[3] / "shared" / "data" / "messy.zip"


@pytest.mark.skipif(not MESSY.exists(), reason="../shared/data/messy.zip is absent")
def test_awkward_files_of_the_world() -> None:
    with zipfile.ZipFile(MESSY) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            found = inspect_bytes(data, name, max_pixels=200_000_000, min_side_px=1)
            try:
                develop_bytes(data)
                reason = ""
            except ImageError as error:
                reason = error.refusal.reason
            assert reason == found.reason, name


def test_the_reduction_of_a_jpeg_is_known_before_it_is_decoded() -> None:
    rng = np.random.default_rng(0)
    for width, height in rng.integers(1, 3000, (100, 2)).tolist():
        wanted = (int(rng.integers(1, 600)), int(rng.integers(1, 600)))
        with Image.open(io.BytesIO(encode(Image.new("RGB", (width, height)), "JPEG"))) as image:
            box = reduce_decode(image, "RGB", wanted)
            assert box is not None
            assert image.decoderconfig[0] == count_reduction((width, height), wanted)
