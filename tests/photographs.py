"""Photographs drawn by code: digits written on paper, clothes on a table, in uneven light."""

import io
import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Kind = Literal["digit", "clothes"]

PEN, FELT_TIP = (0.07, 0.11), (0.13, 0.18)

# Strokes of digits as written by hand, in a square of 1 x 1: polylines, and arcs as (box, start, end).
_Stroke = list[tuple[float, float]]
_DIGITS: dict[str, list[_Stroke]] = {
    "0": [[(0.5 + 0.28 * math.cos(a), 0.5 + 0.42 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 30)]],
    "1": [[(0.35, 0.25), (0.52, 0.08), (0.52, 0.92)]],
    "2": [
        [
            (0.25 + 0.25 * (1 - math.cos(a)), 0.3 - 0.22 * math.sin(a))
            for a in np.linspace(0, math.pi * 1.1, 20)
        ]
        + [(0.22, 0.92), (0.8, 0.92)]
    ],
    "3": [
        [(0.48 - 0.24 * math.cos(a), 0.29 - 0.2 * math.sin(a)) for a in np.linspace(0.3, 3.9, 20)]
        + [(0.48 + 0.3 * math.sin(a), 0.7 - 0.22 * math.cos(a)) for a in np.linspace(0, 3.9, 20)]
    ],
    "4": [[(0.62, 0.92), (0.62, 0.08), (0.2, 0.62), (0.84, 0.62)]],
    "5": [
        [(0.76, 0.1), (0.32, 0.1), (0.28, 0.46)]
        + [(0.46 + 0.3 * math.sin(a), 0.66 - 0.25 * math.cos(a)) for a in np.linspace(-0.3, 3.8, 20)]
    ],
    "6": [
        [(0.66, 0.08), (0.36, 0.42), (0.26, 0.68)]
        + [(0.5 - 0.24 * math.cos(a), 0.7 + 0.22 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 24)]
    ],
    "7": [[(0.2, 0.1), (0.8, 0.1), (0.42, 0.92)]],
    "8": [
        [(0.5 + 0.2 * math.sin(a), 0.29 - 0.2 * math.cos(a)) for a in np.linspace(0, 2 * math.pi, 24)],
        [(0.5 + 0.25 * math.sin(a), 0.71 - 0.22 * math.cos(a)) for a in np.linspace(0, 2 * math.pi, 24)],
    ],
    "9": [
        [(0.5 + 0.23 * math.cos(a), 0.32 - 0.22 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 24)]
        + [(0.72, 0.5), (0.62, 0.92)]
    ],
}
_CLOTHES: dict[str, _Stroke] = {
    "T-shirt": [
        (0.32, 0.1), (0.42, 0.17), (0.58, 0.17), (0.68, 0.1), (0.95, 0.28), (0.83, 0.45), (0.72, 0.38),
        (0.72, 0.92), (0.28, 0.92), (0.28, 0.38), (0.17, 0.45), (0.05, 0.28),
    ],
    "Trouser": [
        (0.3, 0.05), (0.7, 0.05), (0.76, 0.95), (0.56, 0.95), (0.5, 0.35), (0.44, 0.95), (0.24, 0.95),
    ],
    "Dress": [
        (0.36, 0.05), (0.44, 0.14), (0.56, 0.14), (0.64, 0.05), (0.6, 0.42), (0.78, 0.95), (0.22, 0.95),
        (0.4, 0.42),
    ],
    "Bag": [
        (0.1, 0.4), (0.3, 0.4), (0.34, 0.18), (0.66, 0.18), (0.7, 0.4), (0.9, 0.4), (0.94, 0.9), (0.06, 0.9),
    ],
}  # fmt: skip


def draw_digit(
    digit: str, *, seed: int, pen: tuple[float, float] = PEN, size: tuple[int, int] = (450, 600)
) -> Image.Image:
    """A digit written somewhere on a sheet of paper, photographed: height, width in `size`.

    `pen`: how thick its stroke is, as a share of the digit: the least and the most.
    """
    chance = np.random.default_rng(seed)
    height, width = size
    mask = Image.new("L", (width, height), 0)
    drawn, side = ImageDraw.Draw(mask), chance.uniform(0.3, 0.5) * height
    left, top = chance.uniform(0.1, 0.9, 2) * (width - side, height - side)
    slant, turn = chance.uniform(-0.12, 0.12), math.radians(chance.uniform(-8, 8))
    thick = max(2, round(side * chance.uniform(*pen)))
    for stroke in _DIGITS[digit]:
        bent = [(x + slant * (0.5 - y), y) for x, y in stroke]
        turned = [
            (
                left + side * (0.5 + (x - 0.5) * math.cos(turn) - (y - 0.5) * math.sin(turn)),
                top + side * (0.5 + (x - 0.5) * math.sin(turn) + (y - 0.5) * math.cos(turn)),
            )
            for x, y in bent
        ]
        drawn.line(turned, fill=255, width=thick, joint="curve")
        for x, y in (turned[0], turned[-1]):
            drawn.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=255)
    return _photograph(mask, ink=chance.uniform(25, 70), paper=chance.uniform(170, 235), chance=chance)


def draw_clothes(name: str, *, seed: int, size: tuple[int, int] = (450, 600)) -> Image.Image:
    """A piece of clothing on a light table."""
    chance = np.random.default_rng(seed)
    height, width = size
    mask = Image.new("L", (width, height), 0)
    side = chance.uniform(0.45, 0.6) * height
    left, top = chance.uniform(0.1, 0.9, 2) * (width - side, height - side)
    points = [(left + side * x, top + side * y) for x, y in _CLOTHES[name]]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    return _photograph(mask, ink=chance.uniform(60, 110), paper=chance.uniform(190, 235), chance=chance)


def encode_jpeg(image: Image.Image, quality: int = 85) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def list_ten(kind: Kind, pen: tuple[float, float] = PEN) -> Iterator[tuple[str, bytes]]:
    """Ten photographs, each with what it shows."""
    for number in range(10):
        if kind == "digit":
            yield str(number), encode_jpeg(draw_digit(str(number), seed=number, pen=pen))
        else:
            name = list(_CLOTHES)[number % len(_CLOTHES)]
            yield name, encode_jpeg(draw_clothes(name, seed=number))


def _photograph(mask: Image.Image, *, ink: float, paper: float, chance: np.random.Generator) -> Image.Image:
    """Ink on paper in light that falls off to one side, with noise, not quite sharp."""
    share = np.asarray(mask.filter(ImageFilter.GaussianBlur(1.5)), np.float32) / 255
    height, width = share.shape
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    angle, fall = chance.uniform(0, 2 * math.pi), chance.uniform(0.25, 0.45)
    light = 1 - fall * (0.5 + (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle))
    light -= chance.uniform(0, 0.2) * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    grey = (paper * (1 - share) + ink * share) * light + chance.normal(0, 4, share.shape)
    colour = grey[..., None] * np.array([1.0, 0.98, 0.92], np.float32)
    return Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))
