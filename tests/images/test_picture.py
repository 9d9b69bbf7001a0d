"""Canonical pictures: their size and proportions, their history; thumbnails."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.images.picture import Developed, develop_item, encode_png, make_thumbnail
from tests.images.scenes import (
    FORMATS,
    develop_bytes,
    draw_noise,
    draw_scene,
    encode,
    inspect_bytes,
    make_recipe,
    name_corners,
)

PNG = encode(draw_noise())


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        pytest.param("stretch", ["red", "green", "blue", "white"], id="stretch"),
        pytest.param("pad", ["white", "white", "white", "white"], id="pad"),
        pytest.param("crop", ["red", "green", "blue", "white"], id="crop"),
    ],
)
def test_fit(fit: str, expected: list[str]) -> None:
    picture = develop_bytes(encode(draw_scene(80, 20)), image_hw=(16, 16), fit=fit)
    assert name_corners(picture) == expected
    if fit == "pad":
        assert (picture[:6] == 255).all()
        assert (picture[10:] == 255).all()
        assert not (picture[6:8, :8, 1:] > 127).any()


def test_crop_keeps_the_centre_in_proportion() -> None:
    image = Image.new("L", (60, 20))
    image.paste(255, (20, 0, 40, 20))
    assert (
        develop_bytes(encode(image), image_hw=(10, 10), fit="crop", resample="bilinear")[:, 1:9] > 200
    ).all()


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(4, 900), (900, 4), (7, 7), (8, 8)])
def test_any_proportions_fit(fit: str, size: tuple[int, int]) -> None:
    assert develop_bytes(encode(draw_noise(*size)), fit=fit).shape == (8, 8, 3)


@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "lanczos"])
def test_resizing_is_antialiased(resample: str) -> None:
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    picture = develop_bytes(encode(Image.fromarray(checks.astype(np.uint8))), resample=resample)
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
    detailed = draw_noise(size[0] // 10, size[1] // 10).resize(size, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(detailed, "JPEG", quality=95, exif=exif)
    full = Image.open(io.BytesIO(data)).convert("L" if channels == 1 else "RGB")
    upright = full.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else full
    small = upright.resize(image_hw[::-1], Image.Resampling.BICUBIC)
    expected = np.asarray(small, np.float64).reshape(*image_hw, channels)
    picture = develop_bytes(data, image_hw=image_hw, channels=channels)
    mse = float(np.mean((picture - expected) ** 2))
    assert 10 * np.log10(255**2 / max(mse, 1e-9)) > decibels


def test_equalise_is_one_round_trip_through_jpeg() -> None:
    data = encode(draw_noise(32, 32))
    plain, equal = (develop_bytes(data, image_hw=(32, 32), equalise=quality) for quality in (0, 40))
    with Image.open(io.BytesIO(encode(Image.fromarray(plain), "JPEG", quality=40))) as expected:
        assert np.array_equal(equal, np.asarray(expected))
    assert not np.array_equal(plain, equal)
    assert develop_bytes(data, channels=1, equalise=40).shape == (8, 8, 1)


def explain(developed: Developed) -> str:
    """The reason of its refusal, or ""."""
    return developed.refusal.reason if developed.refusal else ""


def test_develop_gives_an_id_and_a_picture_or_a_reason() -> None:
    recipe = make_recipe(channels=1)
    good, unwanted = (develop_item((PNG, wanted), recipe=recipe) for wanted in (True, False))
    bad = develop_item((b"no", True), recipe=recipe)
    assert good.picture is not None
    assert (good.id, unwanted.picture) == (inspect_bytes(PNG).id, None)
    assert (bad.picture, explain(bad)) == (None, "not_an_image")


def make_animation() -> bytes:
    return encode(Image.new("RGB", (8, 8), "red"), save_all=True, append_images=[draw_scene(8, 8)])


def test_an_animation_is_its_first_frame_where_a_person_said_so() -> None:
    recipe = make_recipe(image_hw=(2, 2))
    refused, taken = (
        develop_item((make_animation(), True), recipe=recipe, first_frame=first) for first in (False, True)
    )
    assert (explain(refused), refused.picture) == ("animated", None)
    assert taken.picture is not None
    assert taken.picture.reshape(-1, 3).tolist() == [[255, 0, 0]] * 4
    assert taken.repairs == ("multi_frame_first",)
    shown = develop_item((make_animation(), "thumbnail"), recipe=recipe)
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
    tile = make_thumbnail(encode(Image.new("L", size, 255)), side_px=100, formats=FORMATS)
    left, top, right, bottom = box
    expected = np.full((100, 100, 3), 214, np.uint8)
    expected[top:bottom, left:right] = 255
    assert (tile == expected).all()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_encoded_png_comes_back(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    channels = 3 if shape[2:] == (3,) else 1
    back = develop_bytes(encode_png(picture), image_hw=(4, 5), channels=channels)
    assert (back == picture.reshape(4, 5, channels)).all()


def test_equalising_is_not_limited_by_the_size_of_the_file() -> None:
    recipe = make_recipe(image_hw=(64, 64), equalise=75, max_pixels=20 * 20)
    made = develop_item((encode(Image.new("RGB", (20, 20), "red")), True), recipe=recipe)
    assert made.picture is not None, made.refusal
    assert made.picture.shape == (64, 64, 3)
