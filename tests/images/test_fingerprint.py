"""Fingerprints: PDQ as pdqhash gives it, the views against pictures that are really altered."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipeline.images.fingerprint import VIEWS, Fingerprint, find_margins, shrink
from pipeline.images.picture import develop_item
from tests.images.scenes import encode, make_recipe

X = Image.Transpose
ALTERED = {
    "mirrored": lambda image: image.transpose(X.FLIP_LEFT_RIGHT),
    "flipped": lambda image: image.transpose(X.FLIP_TOP_BOTTOM),
    "rotated 180": lambda image: image.transpose(X.ROTATE_180),
    "transposed": lambda image: image.transpose(X.TRANSPOSE),
    "rotated 90": lambda image: image.transpose(X.ROTATE_90),
    "rotated 270": lambda image: image.transpose(X.ROTATE_270),
    "transverse": lambda image: image.transpose(X.TRANSVERSE),
    "cropped": lambda image: image.crop((0, 7, 380, 273)),
    "brightened": lambda image: image.point(lambda level: min(255, round(level * 1.2))),
}


def draw_picture() -> Image.Image:
    rng = np.random.default_rng(3)
    low = Image.fromarray(rng.integers(0, 255, (11, 15, 3), dtype=np.uint8))
    return low.resize((400, 280), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))


def take(
    image: Image.Image, kind: str = "PNG", *, image_hw: tuple[int, int] = (16, 16), **save: Any
) -> Fingerprint:
    """The fingerprint of a picture that went through a file."""
    recipe = make_recipe(image_hw=image_hw, formats=("PNG", "JPEG"))
    found = develop_item((encode(image, kind, **save), True), recipe=recipe)
    assert found.fingerprint is not None
    return found.fingerprint


def split_views(found: Fingerprint) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(found.views, dtype=np.uint8).reshape(len(VIEWS), 32)


def measure_distances(one: Fingerprint, other: Fingerprint) -> list[int]:
    """Bits by which the other differs from each view of the one."""
    own = np.frombuffer(other.pdq, dtype=np.uint8)
    return [int(n) for n in np.bitwise_count(split_views(one) ^ own).sum(axis=1)]


def test_it_is_pdq_of_64_cells() -> None:
    import pdqhash

    found = take(draw_picture())
    grid = shrink(draw_picture(), None).convert("L")
    cells = np.asarray(grid.resize((64, 64), Image.Resampling.BOX).convert("RGB"))
    bits, quality = pdqhash.compute(cells)
    pdq = np.packbits(bits.astype(bool))
    assert int(np.bitwise_count(pdq ^ np.frombuffer(found.pdq, dtype=np.uint8)).sum()) <= 4
    assert abs(found.quality - quality) <= 1
    assert (split_views(found)[0] == np.frombuffer(found.pdq, dtype=np.uint8)).all()


@pytest.mark.parametrize("name", ALTERED)
def test_a_view_is_the_fingerprint_of_the_altered_picture(name: str) -> None:
    found = take(draw_picture())
    by_view = measure_distances(found, take(ALTERED[name](draw_picture())))
    assert VIEWS[int(np.argmin(by_view))] == name
    assert min(by_view) <= (28 if name == "cropped" else 12)  # crops lie between views
    assert by_view[0] > 20 or name == "brightened"


def draw_page() -> Image.Image:
    """A page of text: bars of ink as long as words."""
    rng = np.random.default_rng(4)
    page = np.full((800, 560), 250, dtype=np.uint8)
    for top in range(60, 740, 20):
        left = 50
        while (right := left + int(rng.integers(10, 60))) < 510 and rng.random() > 0.03:
            page[top : top + 9, left:right] = rng.integers(20, 120, (9, right - left))
            left = right + 8
    return Image.fromarray(page).convert("RGB")


@pytest.mark.parametrize("image", [draw_picture(), draw_page()], ids=["a picture", "a page"])
def test_random_crops_of_up_to_6_percent_a_side_are_near(image: Image.Image) -> None:
    found = take(image)
    rng = np.random.default_rng(0)
    margins = np.array(find_margins())
    distances = []
    for number in range(60):
        left, top, right, bottom = rng.uniform(0, 0.06, 4) * np.array([image.width, image.height] * 2)
        crop = image.crop((round(left), round(top), round(image.width - right), round(image.height - bottom)))
        crop = crop if number % 2 else crop.resize((crop.width // 2, crop.height // 2))
        distances.append(
            int((np.array(measure_distances(found, take(crop, "JPEG", quality=88))) + margins).min())
        )
    assert np.mean(np.array(distances) <= 31) >= 0.96, "benchmarks.crops measures real pictures"


def test_an_unrelated_picture_is_far_in_every_view() -> None:
    other = Image.fromarray(np.random.default_rng(8).integers(0, 255, (9, 9, 3), dtype=np.uint8))
    assert min(measure_distances(take(draw_picture()), take(other.resize((300, 300))))) > 70


@pytest.mark.parametrize("image_hw", [(8, 8), (64, 64), (200, 100)])
def test_the_size_of_the_canonical_picture_hardly_matters(image_hw: tuple[int, int]) -> None:
    large = draw_picture().resize((1600, 1120), Image.Resampling.BICUBIC)
    first = take(large, "JPEG", quality=90)
    again = take(large, "JPEG", image_hw=image_hw, quality=90)
    assert measure_distances(first, again)[0] <= 6


def test_exif_rotation_is_applied_first() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = draw_picture().transpose(X.ROTATE_90)
    found = take(turned, "JPEG", quality=95, exif=exif)
    assert measure_distances(take(draw_picture()), found)[0] <= 6


@pytest.mark.parametrize(
    ("image", "low", "high"),
    [
        pytest.param(Image.new("RGB", (300, 200), (250, 250, 245)), 0, 0, id="blank"),
        pytest.param(draw_picture().resize((31, 200)), 0, 0, id="too small to say anything"),
        pytest.param(draw_picture(), 30, 100, id="a picture"),
    ],
)
def test_quality(image: Image.Image, low: int, high: int) -> None:
    assert low <= take(image).quality <= high
