"""JPEGs that were cut and ended properly are truncated; genuine grey is not."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageError
from tests.images.scenes import develop_bytes, draw_noise, encode, inspect_bytes

END = b"\xff\xd9"
RNG = np.random.default_rng(0)
SETTINGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "4:4:4": {"subsampling": 0},
    "optimised": {"optimize": True},
    "restart markers": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
}


def draw_field(mode: str = "RGB", size: tuple[int, int] = (300, 220)) -> Image.Image:
    """A bright gradient with noise; no grey in it."""
    x = np.linspace(150, 250, size[0])[None, :, None] + np.zeros((size[1], 1, 3)) - [0, 60, 100]
    noisy = np.clip(x + RNG.normal(0, 12, x.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(noisy).convert(mode)


def cut(data: bytes, share: float) -> bytes:
    """A part of a JPEG's entropy-coded data, properly ended."""
    begin = data.index(b"\xff\xda") + 20
    return data[: begin + int((len(data) - begin) * share)].rstrip(b"\xff") + END


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_jpeg_is_truncated(share: float, name: str, mode: str) -> None:
    whole = encode(draw_field(mode), "JPEG", quality=90, **SETTINGS[name])
    assert inspect_bytes(whole).reason == ""
    data = cut(whole, share / 3 if name == "progressive" else share)
    found = inspect_bytes(data)
    assert found.reason == "truncated" or (name == "progressive" and found.reason == "corrupt")
    for channels in (1, 3):
        with pytest.raises(ImageError) as caught:
            develop_bytes(data, channels=channels)
        assert caught.value.refusal.reason == found.reason


def test_what_the_last_scan_of_a_progressive_jpeg_loses_is_not_seen() -> None:
    """It holds the last bits of coefficients. A cut in it is let through."""
    whole = encode(draw_field(), "JPEG", quality=90, progressive=True)
    data = cut(whole, 0.7)
    assert inspect_bytes(data).reason == ""
    pictures = [develop_bytes(one, image_hw=(220, 300)).astype(float) for one in (whole, data)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 4


def test_it_says_how_much_is_there() -> None:
    data = cut(encode(draw_field(), "JPEG", quality=90), 0.5)
    assert "ends after" in inspect_bytes(data).detail
    assert 0.4 < int(inspect_bytes(data).detail.split("after ")[1].split("%")[0]) / 100 < 0.6


def draw_grey_end(rows: int = 60) -> Image.Image:
    image = draw_field()
    image.paste((128, 128, 128), (0, image.height - rows, *image.size))
    return image


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(draw_grey_end(), id="a grey foot"),
        pytest.param(draw_grey_end(8), id="a grey line"),
        pytest.param(draw_grey_end(220), id="grey all over"),
        pytest.param(draw_grey_end().convert("L"), id="a grey foot, grey"),
        pytest.param(draw_noise(300, 220), id="noise"),
    ],
)
@pytest.mark.parametrize("name", SETTINGS)
def test_genuine_grey_is_no_cut(image: Image.Image, name: str) -> None:
    assert inspect_bytes(encode(image, "JPEG", quality=90, **SETTINGS[name])).reason == ""


@pytest.mark.parametrize("name", SETTINGS)
def test_a_cut_grey_foot_is_nothing_lost_or_truncated(name: str) -> None:
    """A cut inside genuine grey may go unnoticed: it looks the same. One above it may not."""
    data = cut(encode(draw_grey_end(), "JPEG", quality=90, **SETTINGS[name]), 0.4)
    assert inspect_bytes(data).reason == "truncated"


def test_bytes_after_the_end_do_not_matter() -> None:
    whole = encode(draw_grey_end(), "JPEG", quality=90)
    assert inspect_bytes(whole + bytes(999)).reason == ""
    assert inspect_bytes(whole + whole).reason == ""
    assert inspect_bytes(cut(whole, 0.5) + whole).reason == "truncated"
