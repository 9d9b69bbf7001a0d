"""Facts of every kind of image file, and what is said of one that cannot be used."""

import pytest

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


@pytest.mark.parametrize(
    ("data", "facts", "repairs"),
    [
        pytest.param(encode(draw_scene(), "JPEG"), ("JPEG", 48, 32, "RGB", 1), (), id="JPEG"),
        pytest.param(encode(draw_scene()), ("PNG", 48, 32, "RGB", 1), (), id="PNG"),
        pytest.param(encode(draw_scene(), "WEBP"), ("WEBP", 48, 32, "RGB", 1), (), id="WEBP"),
        pytest.param(encode(draw_scene(), "TIFF"), ("TIFF", 48, 32, "RGB", 1), (), id="TIFF"),
        pytest.param(encode(draw_scene(), "BMP"), ("BMP", 48, 32, "RGB", 1), (), id="BMP"),
        pytest.param(encode(draw_scene(mode="P"), "GIF"), ("GIF", 48, 32, "P", 1), ("palette",), id="GIF"),
        pytest.param(encode(draw_scene(mode="P")), ("PNG", 48, 32, "P", 1), ("palette",), id="palette PNG"),
        pytest.param(
            encode(draw_scene(mode="CMYK"), "JPEG"), ("JPEG", 48, 32, "CMYK", 1), ("cmyk",), id="CMYK JPEG"
        ),
        pytest.param(
            encode(draw_scene(mode="CMYK"), "TIFF"), ("TIFF", 48, 32, "CMYK", 1), ("cmyk",), id="CMYK TIFF"
        ),
        pytest.param(encode(draw_scene(mode="RGBA")), ("PNG", 48, 32, "RGBA", 1), (), id="opaque alpha"),
        pytest.param(
            encode(draw_scene(), "TIFF", save_all=True, append_images=[draw_noise()]),
            ("TIFF", 48, 32, "RGB", 2),
            ("multi_frame_first",),
            id="two pages",
        ),
        pytest.param(
            encode(draw_scene(), "MPO", save_all=True, append_images=[draw_noise()]),
            ("JPEG", 48, 32, "RGB", 2),
            ("multi_frame_first",),
            id="MPO is a JPEG",
        ),
        pytest.param(encode(draw_scene(), "PPM"), ("PPM", 48, 32, "RGB", 1), (), id="declared PPM"),
    ],
)
def test_facts_and_picture_of_good_files(
    data: bytes, facts: tuple[str, int, int, str, int], repairs: tuple[str, ...]
) -> None:
    formats = (*FORMATS, "PPM")
    found = inspect_bytes(data, formats=formats)
    assert (found.format, found.width, found.height, found.mode, found.n_frames) == facts
    assert (found.reason, found.repairs, found.n_bytes) == ("", repairs, len(data))
    picture = develop_bytes(data, formats=formats)
    assert name_corners(picture) == UPRIGHT
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
    assert inspect_bytes(encode(draw_scene()), name).repairs == repairs


def test_too_small_is_for_inspect_alone() -> None:
    data = encode(draw_noise(3, 40))
    assert (inspect_bytes(data).reason, inspect_bytes(data, min_side_px=3).reason) == ("too_small", "")
    assert develop_bytes(data).shape == (8, 8, 3)


def test_what_a_bad_file_says_before_it_fails_is_kept() -> None:
    jpeg = encode(draw_noise(), "JPEG", quality=90)
    found = inspect_bytes(jpeg[: len(jpeg) // 2])
    assert (found.format, found.width, found.height) == ("JPEG", 64, 64)
