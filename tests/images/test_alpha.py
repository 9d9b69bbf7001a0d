"""Transparent pictures: on which ground they are seen."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.images.scenes import develop_bytes, draw_noise, draw_scene, encode, inspect_bytes

SIZE = (64, 48)


def draw_strokes(colour: tuple[int, int, int], width: int = 2) -> Image.Image:
    """Strokes on a transparent ground, whose hidden colour is that of the strokes."""
    image = Image.new("RGBA", SIZE, (*colour, 0))
    ImageDraw.Draw(image).line([(5, 5), (50, 40), (60, 8)], fill=(*colour, 255), width=width)
    return image


def fade(image: Image.Image, alpha: int) -> Image.Image:
    faded = image.copy()
    faded.putalpha(alpha)
    return faded


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [0, 1])
def test_a_picture_under_an_empty_alpha_is_seen(alpha: int, channels: int) -> None:
    """Alpha of 0 and 1 in place of 0 and 255 is as empty."""
    scene = draw_scene(*SIZE)
    data = encode(fade(scene, alpha))
    found = inspect_bytes(data, min_local_contrast=0.04)
    assert (found.reason, found.repairs) == ("", ("alpha_ignored",))
    assert np.array_equal(
        develop_bytes(data, channels=channels), develop_bytes(encode(scene), channels=channels)
    )


def test_an_empty_alpha_over_nothing_is_blank() -> None:
    found = inspect_bytes(encode(fade(Image.new("RGB", SIZE, "red"), 0)), min_local_contrast=0.04)
    assert found.reason == "low_information"
    assert found.brightness == 1


@pytest.mark.parametrize("colour", [(255, 255, 255), (250, 250, 244)])
def test_a_drawing_in_white_is_seen_on_black(colour: tuple[int, int, int]) -> None:
    found = inspect_bytes(encode(draw_strokes(colour)), min_local_contrast=0.04)
    assert (found.reason, found.repairs) == ("", ("alpha_on_black",))
    assert found.brightness < 0.3


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(draw_strokes((0, 0, 0)), id="in black"),
        pytest.param(draw_strokes((200, 40, 40), width=1), id="thin, in red"),
        pytest.param(draw_strokes((225, 225, 225)), id="in light grey"),
        pytest.param(fade(draw_noise(*SIZE), 128), id="half transparent"),
    ],
)
def test_what_is_seen_on_white_stays_on_white(image: Image.Image) -> None:
    data = encode(image)
    assert inspect_bytes(data).repairs == ("alpha",)
    white = Image.new("RGB", SIZE, "white")
    white.paste(image, mask=image.getchannel("A"))
    assert np.array_equal(
        develop_bytes(data, image_hw=SIZE[::-1]), develop_bytes(encode(white), image_hw=SIZE[::-1])
    )


def test_a_page_with_a_transparent_margin_stays_on_white() -> None:
    page = Image.new("RGBA", (400, 500), "white")
    ImageDraw.Draw(page).text((100, 100), "One line of text on a page", fill="black")
    page.paste((255, 255, 255, 0), (0, 0, 20, 500))
    assert inspect_bytes(encode(page)).repairs == ("alpha",)


def test_an_opaque_alpha_is_no_repair() -> None:
    assert inspect_bytes(encode(draw_scene().convert("RGBA"))).repairs == ()
