"""One decode for two: the picture is the one that clean would make, or there is none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.images import first_look, inspection
from pipeline.images.first_look import Look, give_up, look_item
from pipeline.images.inspection import inspect
from pipeline.images.picture import Developed, develop_item
from pipeline.images.recipe import Recipe
from tests.images.scenes import FORMATS, draw_noise, draw_scene, encode

RECIPE = Recipe((128, 128), 3, "pad", "bicubic", 0, FORMATS, 10**8)
SETTINGS: dict[str, Any] = {
    "formats": FORMATS,
    "max_pixels": 10**8,
    "min_side_px": 4,
    "min_local_contrast": 0.0,
}


def rotate(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def make_deep() -> Image.Image:
    return Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 2)


SMALL = {
    "jpeg": encode(draw_scene(), "JPEG"),
    "rotated jpeg": encode(draw_scene(), "JPEG", exif=rotate(6)),
    "grey jpeg": encode(draw_scene(mode="L"), "JPEG"),
    "cmyk jpeg": encode(draw_scene(mode="CMYK"), "JPEG"),
    "png": encode(draw_scene()),
    "tiny png": encode(draw_noise(8, 8)),
    "alpha": encode(draw_noise(mode="RGBA")),
    "palette": encode(draw_scene(mode="P"), "GIF"),
    "webp": encode(draw_scene(), "WEBP", lossless=True),
    "rotated tiff": encode(draw_scene(), "TIFF", exif=rotate(8)),
    "two pages": encode(draw_scene(), "TIFF", save_all=True, append_images=[draw_noise()]),
}
LARGE = [(300, 280), (511, 700), (512, 512), (513, 900), (1200, 1168), (2100, 1025)]


def look(data: bytes, recipe: Recipe = RECIPE, **settings: Any) -> Look:
    return look_item((data, "a.jpg", True), recipe=recipe, **SETTINGS | settings)


def assert_same(found: Developed | None, made: Developed) -> None:
    assert found is not None
    assert replace(found, picture=None) == replace(made, picture=None)
    np.testing.assert_array_equal(found.picture, made.picture)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_file_is_handed_on(name: str) -> None:
    found = look(SMALL[name])
    assert found.inspection == inspect(SMALL[name], "a.jpg", **SETTINGS)
    assert_same(found.developed, develop_item((SMALL[name], True), recipe=RECIPE))


@pytest.mark.parametrize("side", [32, 128, 160])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_reduced_decode_is_handed_on_where_clean_reduces_alike(side: int, orientation: int) -> None:
    recipe = replace(RECIPE, image_hw=(side, side + side // 2), equalise=75)
    handed = []
    for size in LARGE:
        data = encode(draw_noise(*size), "JPEG", exif=rotate(orientation))
        found, made = look(data, recipe), develop_item((data, True), recipe=recipe)
        handed.append(found.developed is not None)
        if found.developed:
            assert_same(found.developed, made)
    assert any(handed) == (side != 32), "at 32 pixels clean decodes an eighth"
    assert not all(handed) or side == 128


@pytest.mark.parametrize(
    ("data", "recipe"),
    [
        pytest.param(encode(draw_noise(), "JPEG"), replace(RECIPE, channels=1), id="of luma alone"),
        pytest.param(encode(make_deep()), RECIPE, id="deep: the collection says what is white"),
    ],
)
def test_another_decode_is_left_to_clean(data: bytes, recipe: Recipe) -> None:
    assert look(data, recipe).developed is None
    assert look(encode(draw_noise()), recipe).developed is not None


def test_a_large_picture_is_left_to_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time would count as that of the inspection, which has a limit."""
    monkeypatch.setattr("pipeline.images.picture._MOST_SHARED", 40 * 40)
    assert look(encode(draw_noise(40, 40))).developed is not None
    assert look(encode(draw_noise(40, 41))).developed is None


def test_no_picture_of_a_refused_file_or_where_none_is_wanted() -> None:
    assert look(SMALL["jpeg"][:-200]).developed is None
    assert look(encode(Image.new("RGB", (40, 40))), min_local_contrast=0.04).developed is None
    unwanted = look_item((SMALL["png"], "a.png", False), recipe=RECIPE, **SETTINGS)
    assert unwanted == Look(inspect(SMALL["png"], "a.png", **SETTINGS))


def test_a_file_that_was_given_up_has_no_picture() -> None:
    assert give_up((b"x", "a.png", True), "slow") == Look(inspection.give_up((b"x", "a.png"), "slow"))


def test_it_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("decoded again")

    monkeypatch.setattr("pipeline.images.picture.flatten", fail)
    monkeypatch.setattr("pipeline.images.picture.open_image", fail)
    assert first_look.look_item((SMALL["jpeg"], "a.jpg", True), recipe=RECIPE, **SETTINGS).developed
