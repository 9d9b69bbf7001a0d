"""Facts and canonical pictures of every kind of image file, and a reason for every file that is none."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline import images
from pipeline.errors import ImageError, ParamsError
from pipeline.images.reading import translate_faults

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def scene(width: int = 48, height: int = 32, mode: str = "RGB") -> Image.Image:
    """Red at the top left, green at the top right, blue at the bottom left, white at the bottom right."""
    image = Image.new("RGB", (width, height), "white")
    half_w, half_h = width // 2, height // 2
    image.paste("red", (0, 0, half_w, half_h))
    image.paste("lime", (half_w, 0, width, half_h))
    image.paste("blue", (0, half_h, half_w, height))
    return image.convert(mode)


def noise(width: int = 64, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def facts_of(data: bytes, name: str = "x", **changes: Any) -> images.Facts:
    settings: dict[str, Any] = {"formats": FORMATS, "max_pixels": 1_000_000, "min_side_px": 4}
    settings |= {"min_local_contrast": 0}
    return images.inspect(data, name, **settings | changes)


def picture_of(data: bytes, **changes: Any) -> NDArray[np.uint8]:
    settings: dict[str, Any] = {
        "image_hw": (8, 8),
        "channels": 3,
        "fit": "stretch",
        "resample": "bicubic",
        "equalise": 0,
        "formats": FORMATS,
    }
    return images.canonical(data, **settings | changes)


def corners(picture: NDArray[np.uint8]) -> list[str]:
    """Colours of the quarters: top left, top right, bottom left, bottom right."""
    h, w = picture.shape[:2]
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    points = [(1, 1), (1, w - 2), (h - 2, 1), (h - 2, w - 2)]
    return [names[tuple(int(v > 127) for v in picture[point])] for point in points]  # type: ignore[index]


UPRIGHT = ["red", "green", "blue", "white"]


@pytest.mark.parametrize(
    ("data", "facts", "repairs"),
    [
        pytest.param(encoded(scene(), "JPEG"), ("JPEG", 48, 32, "RGB", 1), (), id="JPEG"),
        pytest.param(encoded(scene()), ("PNG", 48, 32, "RGB", 1), (), id="PNG"),
        pytest.param(encoded(scene(), "WEBP"), ("WEBP", 48, 32, "RGB", 1), (), id="WEBP"),
        pytest.param(encoded(scene(), "TIFF"), ("TIFF", 48, 32, "RGB", 1), (), id="TIFF"),
        pytest.param(encoded(scene(), "BMP"), ("BMP", 48, 32, "RGB", 1), (), id="BMP"),
        pytest.param(encoded(scene(mode="P"), "GIF"), ("GIF", 48, 32, "P", 1), ("palette",), id="GIF"),
        pytest.param(encoded(scene(mode="P")), ("PNG", 48, 32, "P", 1), ("palette",), id="palette PNG"),
        pytest.param(
            encoded(scene(mode="CMYK"), "JPEG"), ("JPEG", 48, 32, "CMYK", 1), ("cmyk",), id="CMYK JPEG"
        ),
        pytest.param(
            encoded(scene(mode="CMYK"), "TIFF"), ("TIFF", 48, 32, "CMYK", 1), ("cmyk",), id="CMYK TIFF"
        ),
        pytest.param(encoded(scene(mode="RGBA")), ("PNG", 48, 32, "RGBA", 1), (), id="opaque alpha"),
        pytest.param(
            encoded(scene(), "TIFF", save_all=True, append_images=[noise()]),
            ("TIFF", 48, 32, "RGB", 2),
            ("multi_frame_first",),
            id="two pages",
        ),
        pytest.param(
            encoded(scene(), "MPO", save_all=True, append_images=[noise()]),
            ("JPEG", 48, 32, "RGB", 2),
            ("multi_frame_first",),
            id="MPO is a JPEG",
        ),
        pytest.param(encoded(scene(), "PPM"), ("PPM", 48, 32, "RGB", 1), (), id="declared PPM"),
    ],
)
def test_facts_and_picture_of_good_files(
    data: bytes, facts: tuple[str, int, int, str, int], repairs: tuple[str, ...]
) -> None:
    formats = (*FORMATS, "PPM")
    found = facts_of(data, formats=formats)
    assert (found.format, found.width, found.height, found.mode, found.n_frames) == facts
    assert (found.reason, found.repairs, found.n_bytes) == ("", repairs, len(data))
    picture = picture_of(data, formats=formats)
    assert corners(picture) == UPRIGHT
    assert (picture.shape, picture.dtype.name) == ((8, 8, 3), "uint8")
    assert picture.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "repairs"),
    [
        pytest.param("A/x.png", (), id="right"),
        pytest.param("A/x.JPG", ("wrong_extension",), id="another image's"),
        pytest.param("train/00001", (), id="none"),
        pytest.param("A/scan.2023-04", (), id="no extension after a dot"),
    ],
)
def test_wrong_extension_is_a_repair(name: str, repairs: tuple[str, ...]) -> None:
    assert facts_of(encoded(scene()), name).repairs == repairs


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_once(kind: str, orientation: int) -> None:
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that EXIF's rotation undoes
    stored = scene(480, 320)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(turns[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, kind, exif=exif)
    found = facts_of(data)
    assert (found.width, found.height) == stored.size
    assert found.exif_orientation == orientation
    assert found.repairs == (() if orientation == 1 else ("exif_rotation",))
    assert corners(picture_of(data, image_hw=(16, 24))) == UPRIGHT


def test_damaged_exif_does_not_lose_a_picture() -> None:
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert facts_of(data).reason == ""
    assert corners(picture_of(data)) == UPRIGHT


def with_transparency(mode: str) -> bytes:
    """A black square whose right half is transparent."""
    if mode == "P":
        image = Image.new("P", (8, 8), 0)
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.paste(1, (4, 0, 8, 8))
        return encoded(image, transparency=1)
    if mode in ("L", "RGB"):
        image = Image.new(mode, (8, 8), "black")
        image.paste((9, 9, 9) if mode == "RGB" else 9, (4, 0, 8, 8))
        return encoded(image, transparency=(9, 9, 9) if mode == "RGB" else 9)
    image = Image.new(mode, (8, 8), (0, 255) if mode == "LA" else (0, 0, 0, 255))
    image.putalpha(Image.fromarray(np.repeat(np.array([[255] * 4 + [0] * 4], np.uint8), 8, axis=0)))
    return encoded(image)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_composited_on_white(mode: str, channels: int) -> None:
    data = with_transparency(mode)
    found = facts_of(data)
    assert "alpha" in found.repairs
    assert found.brightness == pytest.approx(0.5)
    picture = picture_of(data, channels=channels)
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
    data = encoded(Image.fromarray(np.repeat(values, 4, axis=0)), "TIFF")
    assert facts_of(data).repairs == ("sixteen_bit",)
    picture = picture_of(data, image_hw=(4, 4), channels=1)
    assert picture[0, :, 0].tolist() == expected


def test_sixteen_bit_png() -> None:
    data = encoded(Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)))
    assert facts_of(data).repairs == ("sixteen_bit",)
    assert np.unique(picture_of(data)).tolist() == [0x80]


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        pytest.param("stretch", ["red", "green", "blue", "white"], id="stretch"),
        pytest.param("pad", ["white", "white", "white", "white"], id="pad"),
        pytest.param("crop", ["red", "green", "blue", "white"], id="crop"),
    ],
)
def test_fit(fit: str, expected: list[str]) -> None:
    picture = picture_of(encoded(scene(80, 20)), image_hw=(16, 16), fit=fit)
    assert corners(picture) == expected
    if fit == "pad":
        assert (picture[:6] == 255).all()
        assert (picture[10:] == 255).all()
        assert not (picture[6:8, :8, 1:] > 127).any()


def test_crop_keeps_the_centre_in_proportion() -> None:
    image = Image.new("L", (60, 20))
    image.paste(255, (20, 0, 40, 20))
    assert (
        picture_of(encoded(image), image_hw=(10, 10), fit="crop", resample="bilinear")[:, 1:9] > 200
    ).all()


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(4, 900), (900, 4), (7, 7), (8, 8)])
def test_any_proportions_fit(fit: str, size: tuple[int, int]) -> None:
    assert picture_of(encoded(noise(*size)), fit=fit).shape == (8, 8, 3)


@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "lanczos"])
def test_resizing_is_antialiased(resample: str) -> None:
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    picture = picture_of(encoded(Image.fromarray(checks.astype(np.uint8))), resample=resample)
    assert np.abs(picture[1:-1, 1:-1].astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("size", "orientation", "image_hw", "decibels"),
    [
        pytest.param((1200, 900), 1, (32, 32), 39, id="far smaller"),
        pytest.param((1200, 900), 1, (150, 150), 45, id="smaller"),
        pytest.param((1600, 800), 6, (50, 400), 60, id="sideways"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_at_reduced_scale_looks_like_a_full_decode(
    size: tuple[int, int], orientation: int, image_hw: tuple[int, int], decibels: float, channels: int
) -> None:
    detailed = noise(size[0] // 10, size[1] // 10).resize(size, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(detailed, "JPEG", quality=95, exif=exif)
    full = Image.open(io.BytesIO(data)).convert("L" if channels == 1 else "RGB")
    upright = full.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else full
    small = upright.resize(image_hw[::-1], Image.Resampling.BICUBIC)
    expected = np.asarray(small, np.float64).reshape(*image_hw, channels)
    picture = picture_of(data, image_hw=image_hw, channels=channels)
    mse = float(np.mean((picture - expected) ** 2))
    assert 10 * np.log10(255**2 / max(mse, 1e-9)) > decibels


def test_measures() -> None:
    half = Image.new("L", (64, 64))
    half.paste(255, (0, 0, 64, 32))
    found = facts_of(encoded(half))
    assert found.brightness == pytest.approx(0.5)
    assert found.contrast == pytest.approx(0.5)


def gif(n: int) -> bytes:
    return encoded(scene(mode="P"), "GIF", save_all=True, append_images=[noise(48, 32)] * (n - 1))


def bomb(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, b"IDAT" + zlib.compress(bytes(1000)))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


JPEG, PNG = encoded(noise(), "JPEG", quality=90), encoded(noise())
WEBP, TIFF, GIF = encoded(noise(), "WEBP"), encoded(noise(), "TIFF"), gif(1)
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
    pytest.param(encoded(noise(), "JPEG2000"), "unsupported_format", id="JPEG 2000"),
    pytest.param(encoded(noise(), "PPM"), "unsupported_format", id="PPM where none is declared"),
    pytest.param(encoded(noise(), "TGA"), "unsupported_format", id="TGA has no magic"),
    pytest.param(encoded(noise(), "ICO"), "unsupported_format", id="ICO"),
    pytest.param(b"%PDF-1.4", "unsupported_format", id="PDF"),
    pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format", id="SVG"),
    pytest.param(gif(3), "animated", id="animated GIF"),
    pytest.param(
        encoded(scene(), "WEBP", save_all=True, append_images=[noise(48, 32)]), "animated", id="animated WEBP"
    ),
    pytest.param(
        encoded(scene(), "PNG", save_all=True, append_images=[noise(48, 32)]), "animated", id="animated PNG"
    ),
    pytest.param(encoded(noise(1001, 1000)), "too_many_pixels", id="just too many pixels"),
    pytest.param(bomb(1500, 1000), "too_many_pixels", id="more than Pillow warns at"),
    pytest.param(bomb(100_000, 100_000), "too_many_pixels", id="a header bomb"),
]


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_bad_files_have_a_reason(data: bytes, reason: str) -> None:
    found = facts_of(data)
    assert (found.reason, found.repairs) == (reason, ())
    assert found.detail
    assert "0x" not in found.detail
    assert reason in images.REASONS
    with pytest.raises(ImageError) as caught:
        picture_of(data, max_pixels=1_000_000)
    assert (caught.value.reason, caught.value.detail) == (reason, found.detail)


def test_too_small_is_for_inspect_alone() -> None:
    data = encoded(noise(3, 40))
    assert (facts_of(data).reason, facts_of(data, min_side_px=3).reason) == ("too_small", "")
    assert picture_of(data).shape == (8, 8, 3)


def test_what_a_bad_file_says_before_it_fails_is_kept() -> None:
    found = facts_of(JPEG[: len(JPEG) // 2])
    assert (found.format, found.width, found.height) == ("JPEG", 64, 64)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(SyntaxError("broken PNG file"), "corrupt", id="SyntaxError"),
        pytest.param(struct.error("unpack requires 4 bytes"), "corrupt", id="struct.error"),
        pytest.param(zlib.error("incorrect header check"), "corrupt", id="zlib.error"),
        pytest.param(MemoryError(), "unreadable", id="MemoryError"),
        pytest.param(EOFError("no more images"), "truncated", id="EOFError"),
        pytest.param(OSError("image file is truncated (3 bytes)"), "truncated", id="OSError"),
        pytest.param(Image.DecompressionBombError("size (9 pixels)"), "too_many_pixels", id="bomb"),
    ],
)
def test_whatever_pillow_raises_has_a_reason(error: Exception, reason: str) -> None:
    with pytest.raises(ImageError) as caught, translate_faults():
        raise error
    assert caught.value.reason == reason
    assert str(caught.value)


def test_develop_gives_an_id_and_a_picture_or_a_reason() -> None:
    settings: dict[str, Any] = {
        "image_hw": (8, 8),
        "channels": 1,
        "fit": "stretch",
        "resample": "bicubic",
        "equalise": 0,
        "formats": FORMATS,
    }
    good, unwanted = (images.develop((PNG, wanted), **settings) for wanted in (True, False))
    bad = images.develop((b"no", True), **settings)
    assert good.picture is not None
    assert (good.id, unwanted.picture) == (facts_of(PNG).id, None)
    assert (bad.picture, bad.reason) == (None, "not_an_image")


def animation() -> bytes:
    return encoded(Image.new("RGB", (8, 8), "red"), save_all=True, append_images=[scene(8, 8)])


def test_an_animation_is_its_first_frame_where_a_person_said_so() -> None:
    settings: dict[str, Any] = {
        "image_hw": (2, 2),
        "channels": 3,
        "fit": "stretch",
        "resample": "bicubic",
        "equalise": 0,
        "formats": FORMATS,
    }
    refused, taken = (
        images.develop((animation(), True), **settings, first_frame=first) for first in (False, True)
    )
    assert (refused.reason, refused.picture) == ("animated", None)
    assert taken.picture is not None
    assert taken.picture.reshape(-1, 3).tolist() == [[255, 0, 0]] * 4
    assert taken.repairs == ("multi_frame_first",)
    shown = images.develop((animation(), "thumbnail"), **settings)
    assert shown.picture is not None
    assert (shown.picture.shape, shown.fingerprint) == ((112, 112, 3), None)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        pytest.param((400, 100), (2, 38, 98, 62), id="wide"),
        pytest.param((3, 6), (26, 2, 74, 98), id="tiny and tall"),
        pytest.param((1, 5000), (49, 2, 50, 98), id="a line"),
    ],
)
def test_a_thumbnail_is_whole_and_framed(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    tile = images.thumbnail(encoded(Image.new("L", size, 255)), side_px=100, formats=FORMATS)
    left, top, right, bottom = box
    expected = np.full((100, 100, 3), 214, np.uint8)
    expected[top:bottom, left:right] = 255
    assert (tile == expected).all()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_encoded_png_comes_back(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    channels = 3 if shape[2:] == (3,) else 1
    back = picture_of(images.encoded_png(picture), image_hw=(4, 5), channels=channels)
    assert (back == picture.reshape(4, 5, channels)).all()


def test_unknown_formats_are_a_params_error() -> None:
    images.check_formats(FORMATS)
    with pytest.raises(ParamsError, match=r"unknown JPG; allowed: .*JPEG"):
        images.check_formats(["JPG", "PNG"])


MESSY = Path(__file__).resolve().parents[3] / "shared" / "data" / "messy.zip"


@pytest.mark.skipif(not MESSY.exists(), reason="../shared/data/messy.zip is absent")
def test_awkward_files_of_the_world() -> None:
    import zipfile

    with zipfile.ZipFile(MESSY) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            found = facts_of(data, name, max_pixels=200_000_000, min_side_px=1)
            try:
                picture_of(data)
                reason = ""
            except ImageError as error:
                reason = error.reason
            assert reason == found.reason, name


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_says_its_quality(quality: int, mode: str) -> None:
    assert facts_of(encoded(scene(mode=mode), "JPEG", quality=quality)).jpeg_quality == quality


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        pytest.param(encoded(scene(), "JPEG", subsampling="4:2:0"), (3, "4:2:0", False, None), id="4:2:0"),
        pytest.param(encoded(scene(), "JPEG", subsampling="4:2:2"), (3, "4:2:2", False, None), id="4:2:2"),
        pytest.param(encoded(scene(), "JPEG", subsampling="4:4:4"), (3, "4:4:4", False, None), id="4:4:4"),
        pytest.param(encoded(scene(mode="L"), "JPEG"), (1, None, False, None), id="grey"),
        pytest.param(encoded(scene(), "JPEG", dpi=(300, 300)), (3, "4:2:0", False, 300), id="dpi"),
        pytest.param(
            encoded(scene(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
            (3, "4:2:0", True, 72),
            id="EXIF",
        ),
        pytest.param(encoded(scene(mode="RGBA")), (4, None, False, None), id="PNG"),
        pytest.param(encoded(scene(), "TIFF"), (3, None, False, None), id="TIFF"),
    ],
)
def test_header_facts(data: bytes, facts: tuple[int, str | None, bool, float | None]) -> None:
    found = facts_of(data)
    assert (found.n_bands, found.subsampling, found.has_exif) == facts[:3]
    assert found.dpi == (pytest.approx(facts[3], rel=0.01) if facts[3] else None)


def framed(inside: int, frame: tuple[int, int, int], side: int = 32) -> NDArray[np.uint8]:
    picture = np.full((side, side, 3), inside, np.uint8)
    picture[0], picture[-1], picture[:, 0], picture[:, -1] = (frame,) * 4
    return picture


def test_measures_of_known_pictures() -> None:
    flat = images.residues(framed(100, (100, 100, 100)))
    assert {flat[name] for name in ("contrast", "sharpness", "entropy", "colourfulness", "blockiness")} == {0}
    assert flat["brightness"] == flat["border_brightness"] == pytest.approx(100 / 255)
    yellow = images.residues(framed(255, (200, 180, 120)))
    assert yellow["border_tint"] == pytest.approx(80 / 255)
    assert yellow["border_spread"] == 0
    assert yellow["share_white"] == pytest.approx((30 / 32) ** 2)
    stripes = np.zeros((32, 32, 1), np.uint8)
    stripes[:, ::2] = 255
    striped = images.residues(stripes)
    assert (striped["entropy"], striped["contrast"]) == (1, 0.5)
    assert striped["sharpness"] == pytest.approx(510**2)


def test_measures_of_grey_are_those_of_the_same_in_colour() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 30, 1), np.uint8)
    assert images.residues(grey) == pytest.approx(images.residues(grey.repeat(3, axis=2)), abs=1e-6)


def test_blocks_and_padding_leave_their_mark() -> None:
    blocks = np.kron(np.random.default_rng(0).integers(50, 200, (4, 4)), np.ones((8, 8))).astype(np.uint8)
    assert images.residues(blocks[..., None])["blockiness"] > 3
    padded = np.full((32, 32, 1), 255, np.uint8)
    padded[8:24] = 60
    assert images.residues(padded)["content_aspect"] == 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (2, 2, 3), (9, 1, 1)])
def test_the_smallest_pictures_have_measures(shape: tuple[int, int, int]) -> None:
    assert all(np.isfinite(list(images.residues(np.zeros(shape, np.uint8)).values())))


def test_equalise_is_one_round_trip_through_jpeg() -> None:
    data = encoded(noise(32, 32))
    plain, equal = (picture_of(data, image_hw=(32, 32), equalise=quality) for quality in (0, 40))
    with Image.open(io.BytesIO(encoded(Image.fromarray(plain), "JPEG", quality=40))) as expected:
        assert np.array_equal(equal, np.asarray(expected))
    assert not np.array_equal(plain, equal)
    assert picture_of(data, channels=1, equalise=40).shape == (8, 8, 1)
