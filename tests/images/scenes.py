"""Pictures that tests make, as files of any kind, and what the room says of them."""

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.images.facts import FACTS
from pipeline.images.inspection import inspect
from pipeline.images.picture import develop
from pipeline.images.recipe import Recipe

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
UPRIGHT = ["red", "green", "blue", "white"]  # the quarters of `draw_scene`


def encode(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def draw_scene(width: int = 48, height: int = 32, mode: str = "RGB") -> Image.Image:
    """Red at the top left, green at the top right, blue at the bottom left, white at the bottom right."""
    image = Image.new("RGB", (width, height), "white")
    half_w, half_h = width // 2, height // 2
    image.paste("red", (0, 0, half_w, half_h))
    image.paste("lime", (half_w, 0, width, half_h))
    image.paste("blue", (0, half_h, half_w, height))
    return image.convert(mode)


def draw_noise(width: int = 64, height: int = 64, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Random pixels, the same for the same seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def make_recipe(**changes: Any) -> Recipe:
    """Pictures of 8 x 8 pixels in colour, stretched; with some settings replaced."""
    settings: dict[str, Any] = {
        "image_hw": (8, 8),
        "channels": 3,
        "fit": "stretch",
        "resample": "bicubic",
        "equalise": 0,
        "formats": FORMATS,
    }
    return Recipe(**settings | changes)


def inspect_bytes(data: bytes, name: str = "x", **changes: Any) -> SimpleNamespace:
    """An inspection flat: every fact by its name, None where it was not found out; reason and detail or "".

    Blank pictures are let through, unless `changes` say otherwise.
    """
    settings: dict[str, Any] = {"formats": FORMATS, "max_pixels": 1_000_000, "min_side_px": 4}
    found = inspect(data, name, **settings | {"min_local_contrast": 0} | changes)
    assert found.facts.keys() <= {fact.name for fact in FACTS}
    reason, detail = found.refusal or ("", "")
    facts = dict.fromkeys(fact.name for fact in FACTS) | dict(found.facts)
    return SimpleNamespace(id=found.id, repairs=found.repairs, reason=reason, detail=detail, **facts)


def develop_bytes(data: bytes, **changes: Any) -> NDArray[np.uint8]:
    """The picture that `make_recipe` makes of a file."""
    return develop(data, make_recipe(**changes))


def name_corners(picture: NDArray[np.uint8]) -> list[str]:
    """Colours of the quarters: top left, top right, bottom left, bottom right."""
    h, w = picture.shape[:2]
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    points = [(1, 1), (1, w - 2), (h - 2, 1), (h - 2, w - 2)]
    return [names[tuple(int(v > 127) for v in picture[point])] for point in points]  # type: ignore[index]
