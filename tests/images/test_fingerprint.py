"""Fingerprints: PDQ as pdqhash gives it, the views against pictures that are really altered."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipeline import images
from pipeline.images import fingerprint as prints

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


def picture() -> Image.Image:
    rng = np.random.default_rng(3)
    low = Image.fromarray(rng.integers(0, 255, (11, 15, 3), dtype=np.uint8))
    return low.resize((400, 280), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))


def developed(image: Image.Image, image_hw: tuple[int, int] = (16, 16), **save: object) -> images.Fingerprint:
    stream = io.BytesIO()
    image.save(stream, **({"format": "PNG"} | save))  # type: ignore[arg-type]
    settings = {"image_hw": image_hw, "channels": 3, "fit": "stretch", "resample": "bicubic"}
    found = images.develop((stream.getvalue(), True), **settings, **EXTRA, formats=("PNG", "JPEG"))  # type: ignore[arg-type]
    assert found.fingerprint is not None
    return found.fingerprint


EXTRA: dict[str, object] = {"equalise": 0}


def views_of(found: images.Fingerprint) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(found.views, dtype=np.uint8).reshape(len(images.VIEWS), 32)


def distances(one: images.Fingerprint, other: images.Fingerprint) -> list[int]:
    """Bits by which the other differs from each view of the one."""
    own = np.frombuffer(other.pdq, dtype=np.uint8)
    return [int(n) for n in np.bitwise_count(views_of(one) ^ own).sum(axis=1)]


def test_it_is_pdq_of_64_cells() -> None:
    import pdqhash

    found = developed(picture())
    grid = prints.shrunk(picture(), None).convert("L")
    cells = np.asarray(grid.resize((64, 64), Image.Resampling.BOX).convert("RGB"))
    bits, quality = pdqhash.compute(cells)
    pdq = np.packbits(bits.astype(bool))
    assert int(np.bitwise_count(pdq ^ np.frombuffer(found.pdq, dtype=np.uint8)).sum()) <= 4
    assert abs(found.quality - quality) <= 1
    assert (views_of(found)[0] == np.frombuffer(found.pdq, dtype=np.uint8)).all()


@pytest.mark.parametrize("name", ALTERED)
def test_a_view_is_the_fingerprint_of_the_altered_picture(name: str) -> None:
    found = developed(picture())
    by_view = distances(found, developed(ALTERED[name](picture())))
    assert images.VIEWS[int(np.argmin(by_view))] == name
    assert min(by_view) <= 12
    assert by_view[0] > 20 or name == "brightened"


def test_an_unrelated_picture_is_far_in_every_view() -> None:
    other = Image.fromarray(np.random.default_rng(8).integers(0, 255, (9, 9, 3), dtype=np.uint8))
    assert min(distances(developed(picture()), developed(other.resize((300, 300))))) > 70


@pytest.mark.parametrize("image_hw", [(8, 8), (64, 64), (200, 100)])
def test_the_size_of_the_canonical_picture_hardly_matters(image_hw: tuple[int, int]) -> None:
    large = picture().resize((1600, 1120), Image.Resampling.BICUBIC)
    first = developed(large, format="JPEG", quality=90)
    again = developed(large, image_hw, format="JPEG", quality=90)
    assert distances(first, again)[0] <= 6


def test_exif_rotation_is_applied_first() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture().transpose(X.ROTATE_90)
    found = developed(turned, format="JPEG", quality=95, exif=exif)
    assert distances(developed(picture()), found)[0] <= 6


@pytest.mark.parametrize(
    ("image", "low", "high"),
    [
        pytest.param(Image.new("RGB", (300, 200), (250, 250, 245)), 0, 0, id="blank"),
        pytest.param(picture().resize((31, 200)), 0, 0, id="too small to say anything"),
        pytest.param(picture(), 30, 100, id="a picture"),
    ],
)
def test_quality(image: Image.Image, low: int, high: int) -> None:
    assert low <= developed(image).quality <= high
