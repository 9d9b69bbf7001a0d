"""A photograph from outside made like the pictures of a collection."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.framing import Framing, find_object, fit_ground, frame
from pipeline.images.picture import develop
from pipeline.images.recipe import Recipe
from pipeline.images.scanning import develop_alike, give_up, scan
from tests.photographs import FELT_TIP, Kind, draw_digit, encode_jpeg, list_ten

RECIPE = Recipe((28, 28), 1, "pad", "bicubic", equalise=0, formats=("JPEG", "PNG"), max_pixels=10_000_000)
ALIKE = Framing(content=0.7, invert="auto", is_dark=True)


def bound(picture: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of what is light."""
    rows, columns = (np.flatnonzero((picture[..., 0] > 100).any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@pytest.mark.parametrize("kind", ["digit", "clothes"])
def test_ten_photographs_become_one_light_object_in_the_middle_of_a_dark_square(kind: Kind) -> None:
    for name, data in list_ten(kind):
        picture = develop_alike(data, RECIPE, ALIKE)
        assert picture.shape == (28, 28, 1)
        top, left, bottom, right = bound(picture)
        assert abs(max(bottom - top, right - left) - 0.7 * 28) <= 2, name
        assert abs(top + bottom - 28) <= 2, name
        assert abs(left + right - 28) <= 2, name
        ring = np.concatenate((picture[:3].ravel(), picture[-3:].ravel(), picture[:, :3].ravel()))
        assert ring.max() < 40, name
        assert picture.max() > 180, name


def test_uneven_light_is_taken_away_and_an_object_of_any_size_found() -> None:
    y, x = np.mgrid[0:1:200j, 0:1:300j]
    light = 120 + 100 * x - 40 * y
    for height, width in ((20, 6), (100, 150)):  # a pen's stroke; a third of the picture
        picture = light.copy()
        picture[40 : 40 + height, 50 : 50 + width] *= 0.4
        shown = picture.astype(np.float32)[..., None]
        ground = fit_ground(shown)
        is_ground = np.ones(picture.shape, bool)
        is_ground[40 : 40 + height, 50 : 50 + width] = False
        assert np.abs(ground[..., 0] - light)[is_ground].max() < 8
        found = find_object(shown - ground)
        assert found
        assert np.abs(np.array(found) - (40, 50, 40 + height, 50 + width)).max() <= 2


@pytest.mark.parametrize(
    ("invert", "is_dark", "paper", "is_inverted"),
    [
        pytest.param("auto", True, 230, True, id="dark-on-light-for-light-on-dark"),
        pytest.param("auto", True, 20, False, id="as-it-was-trained"),
        pytest.param("auto", False, 20, True, id="light-on-dark-for-dark-on-light"),
        pytest.param("auto", False, 230, False, id="paper-for-paper"),
        pytest.param("auto", None, 230, True, id="not-known-by-the-border"),
        pytest.param("auto", None, 20, False, id="not-known-dark-already"),
        pytest.param("yes", False, 230, True, id="yes"),
        pytest.param("no", True, 230, False, id="no"),
    ],
)
@pytest.mark.parametrize("content", [None, 0.7])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_inverted_where_the_training_was_the_other_way(
    invert: str, is_dark: bool | None, paper: int, is_inverted: bool, content: float | None, channels: int
) -> None:
    picture = np.full((60, 60, channels), paper, np.uint8)
    picture[20:40, 25:35] = 250 - paper
    made = frame(picture, Framing(content, invert, is_dark))  # type: ignore[arg-type]
    assert made.shape[2] == channels
    assert (float(made[0, 0, 0]) > 127) == ((paper > 127) != is_inverted)
    assert (float(made[len(made) // 2, len(made) // 2, 0]) > 127) == ((paper < 127) != is_inverted)


def test_colours_stay_colours() -> None:
    picture = np.full((60, 60, 3), 240, np.uint8)
    picture[20:40, 25:35] = (200, 10, 10)
    made = frame(picture, Framing(content=0.5))
    assert made.shape == (40, 40, 3)
    assert made[20, 20].tolist() == [200, 10, 10]
    assert made[0, 0].tolist() == pytest.approx([240, 240, 240], abs=1)


def test_grey_is_made_of_colours_where_the_training_has_none() -> None:
    """The demo's digits are grey in three channels."""
    recipe = replace(RECIPE, channels=3)
    for _, data in list_ten("digit"):
        made = develop_alike(data, recipe, replace(ALIKE, is_grey=True)).astype(int)
        one = develop_alike(data, RECIPE, ALIKE).astype(int)
        assert made.shape == (28, 28, 3)
        assert np.ptp(made, axis=2).max() == 0
        assert np.abs(made[..., :1] - one).mean() < 2


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_picture_is_left_as_it_is(value: int) -> None:
    picture = np.full((40, 60, 1), value, np.uint8)
    assert np.array_equal(frame(picture, Framing(content=0.7)), picture)


def test_an_object_at_the_edge_is_filled_up_with_ground() -> None:
    picture = np.full((60, 60, 1), 240, np.uint8)
    picture[0:30, 0:10] = 20
    made = frame(picture, Framing(content=0.5, invert="yes"))
    assert made.shape == (60, 60, 1)
    assert made[30, 30, 0] > 200
    assert made[:12].max() < 20


def test_a_speck_is_no_object() -> None:
    picture = np.full((60, 60, 1), 240, np.uint8)
    picture[20:40, 25:35] = 20
    picture[3, 50] = 0
    assert frame(picture, Framing(content=1.0)).shape == (20, 20, 1)


def test_a_picture_of_noise_costs_no_error() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 1)).astype(np.uint8)
    for size in ((1, 1), (1, 9), (2, 3), (50, 70)):
        frame(noise[: size[0], : size[1]], ALIKE)


def test_facts_come_in_the_same_pass() -> None:
    data = encode_jpeg(draw_digit("3", seed=1), quality=80)
    scanned = scan(data, recipe=RECIPE, framing=ALIKE)
    assert scanned.facts
    assert scanned.picture is not None
    assert {
        "format": "JPEG",
        "width": 600,
        "height": 450,
        "jpeg_quality": 80,
        "n_bytes": len(data),
    }.items() <= (scanned.facts.items())
    assert scanned.facts["aspect"] == pytest.approx(4 / 3)
    assert scanned.facts["brightness"] == pytest.approx(float(scanned.picture.mean()) / 255, abs=0.01)
    assert math.isfinite(scanned.facts["blockiness"])
    assert scan(data, recipe=RECIPE, with_facts=False).facts is None


def test_what_cannot_be_decoded_has_a_reason() -> None:
    refused = scan(b"no", recipe=RECIPE)
    assert refused.picture is None
    assert str(refused.refusal).startswith("not_an_image: ")
    assert str(give_up((b"", True), "it crashed").refusal) == "unreadable: it crashed"
    with pytest.raises(ImageError):
        develop_alike(b"no", RECIPE, ALIKE)


def test_photographs_of_digits_are_recognised_once_they_are_alike() -> None:
    """By the nearest neighbour among scikit-learn's digits, which are light on dark and fill their square."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    known = load_digits()
    nearest = KNeighborsClassifier(3).fit(known.data * 255 / 16, known.target)
    small = replace(RECIPE, image_hw=(8, 8))
    ten = [data for _, data in list_ten("digit", FELT_TIP)]

    def count_right(pictures: list[NDArray[np.uint8]]) -> int:
        answers = nearest.predict(np.stack([picture.ravel() for picture in pictures]).astype(float))
        return int((answers == np.arange(10)).sum())

    as_they_are = [develop(data, replace(small, fit="pad")) for data in ten]
    alike = [develop_alike(data, small, replace(ALIKE, content=1.0)) for data in ten]
    assert count_right(as_they_are) <= 2
    assert count_right(alike) >= 7
