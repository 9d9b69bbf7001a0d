"""Pictures come back as they were made, whatever lies beside their files; other recipes find nothing."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.collection import known_pictures
from pipeline.collection.known_files import KnownFiles
from pipeline.collection.known_pictures import KnownPictures
from pipeline.images.picture import Developed, Wanted, develop_item, give_up
from pipeline.images.recipe import Recipe
from pipeline.refusals import Refusal
from pipeline.sources import Record

RECIPE = Recipe((12, 10), 3, "pad", "bicubic", 0, ("JPEG", "PNG", "TIFF"), 10_000)
RECORD = Record("a/1.png", "a", "", b"")


def encode(side: int = 60, n_bands: int = 3) -> bytes:
    rng = np.random.default_rng(side)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (side, side, n_bands), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def want_all(_: str) -> Wanted:
    return True


def keep(folder: Path, recipe: Recipe, *results: Developed) -> None:
    with KnownFiles(folder) as known:
        book = KnownPictures(known, recipe, want_all)
        for result in results:
            book.keep(RECORD, result)


def find(folder: Path, recipe: Recipe, image_id: str, wanted: Wanted = True) -> Developed | None:
    with KnownFiles(folder) as known:
        return KnownPictures(known, recipe, lambda _: wanted).find(RECORD, image_id)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 60])  # one without views, one with
def test_a_picture_comes_back(tmp_path: Path, side: int, channels: int) -> None:
    recipe = replace(RECIPE, channels=channels)
    made = develop_item((encode(side, n_bands=4), True), recipe=recipe)
    assert made.repairs
    keep(tmp_path, recipe, made)
    found = find(tmp_path, recipe, made.id)
    assert found is not None
    assert made.picture is not None
    assert found.picture is not None
    assert found.picture.dtype == np.uint8
    np.testing.assert_array_equal(found.picture, made.picture)
    assert replace(found, picture=None) == replace(made, picture=None)
    assert bool(made.fingerprint and made.fingerprint.views) == (side == 60)


def test_where_no_picture_is_wanted_its_id_is_enough(tmp_path: Path) -> None:
    assert find(tmp_path, RECIPE, "id", wanted=False) == Developed("id")
    made = develop_item((encode(), True), recipe=RECIPE)
    keep(tmp_path, RECIPE, made)
    assert find(tmp_path, RECIPE, made.id, wanted="thumbnail") is None, "another picture than the canonical"


@pytest.mark.parametrize(
    "other",
    [
        {"image_hw": (10, 12)},
        {"channels": 1},
        {"fit": "crop"},
        {"resample": "lanczos"},
        {"equalise": 50},
        {"scales": (("u16", 0.0, 4095.0),)},
        {"formats": ("PNG", "TGA")},
    ],
)
def test_another_recipe_finds_nothing(tmp_path: Path, other: dict[str, Any]) -> None:
    recipe = replace(RECIPE, scales=(("u16", 0.0, 1023.0),))
    made = develop_item((encode(), True), recipe=recipe)
    keep(tmp_path, recipe, made)
    assert find(tmp_path, recipe, made.id) is not None
    assert find(tmp_path, replace(recipe, **other), made.id) is None


def test_other_code_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = develop_item((encode(), True), recipe=RECIPE)
    keep(tmp_path, RECIPE, made)
    monkeypatch.setattr(known_pictures, "hash_computation", lambda: "of other code")
    assert find(tmp_path, RECIPE, made.id) is None


def test_a_new_format_or_a_larger_file_beside_it_does_not_matter(tmp_path: Path) -> None:
    """Else a new batch would cost the collection."""
    data = encode()
    made = develop_item((data, True), recipe=RECIPE)
    keep(tmp_path, RECIPE, made)
    wider = replace(RECIPE, formats=("GIF", "JPEG", "PNG"), max_pixels=10**8)
    found, anew = find(tmp_path, wider, made.id), develop_item((data, True), recipe=wider)
    assert found is not None
    assert (found.picture == anew.picture).all()  # type: ignore[union-attr]


def test_a_page_that_larger_files_allow_is_not_kept(tmp_path: Path) -> None:
    """A TIFF of 16 bytes a pixel is decoded only where a file of twice its pixels lies beside it."""
    rng = np.random.default_rng(0)
    data = write_wide_tiff(rng.random((40, 40, 4), dtype=np.float32))
    small = replace(RECIPE, max_pixels=1600)
    assert develop_item((data, True), recipe=small).refusal is not None
    made = develop_item((data, True), recipe=RECIPE)
    assert made.picture is not None, made.refusal
    assert made.is_heavy
    keep(tmp_path, RECIPE, made)
    assert find(tmp_path, RECIPE, made.id) is None


def test_a_guess_without_a_scale_of_the_collection_is_not_kept(tmp_path: Path) -> None:
    """An animation that a person restored: validate refused it, so it has no say in the scales."""
    stream = io.BytesIO()
    deep = [Image.fromarray(np.full((40, 40), level, np.uint16)) for level in (900, 1020)]
    deep[0].save(stream, "PNG", save_all=True, append_images=deep[1:])
    made = develop_item((stream.getvalue(), True), recipe=RECIPE, first_frame=True)
    assert "guessed_scale" in made.repairs
    keep(tmp_path, RECIPE, made)
    scaled = replace(RECIPE, scales=(("u16", 0.0, 4095.0),))
    assert find(tmp_path, RECIPE, made.id) is None
    assert find(tmp_path, scaled, made.id) is None
    keep(tmp_path, scaled, develop_item((stream.getvalue(), True), recipe=scaled, first_frame=True))
    assert find(tmp_path, scaled, made.id) is not None


def write_wide_tiff(values: "np.ndarray[Any, np.dtype[np.float32]]") -> bytes:
    """A little-endian TIFF of float32 samples RGB and one more, uncompressed, in one strip."""
    height, width, n = map(int, values.shape)
    pixels: bytes = values.astype("<f4").tobytes()
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, n, 0),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 0),
        (277, 3, 1, n),
        (278, 3, 1, height),
        (279, 4, 1, len(pixels)),
        (338, 3, 1, 0),
        (339, 3, n, 0),
    ]
    start = 8 + 2 + 12 * len(tags) + 4
    bits, kinds = start, start + 2 * n
    places = {258: bits, 339: kinds, 273: kinds + 2 * n}
    book: bytes = b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little")
    for tag, kind, count, value in tags:
        book += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little")
        book += places.get(tag, value).to_bytes(4, "little")
    book += bytes(4)
    return book + (32).to_bytes(2, "little") * n + (3).to_bytes(2, "little") * n + pixels


def test_what_has_no_picture_is_tried_again(tmp_path: Path) -> None:
    lost = give_up((b"x", True), "its process was killed, as happens when memory runs out")
    refused = Developed("id", refusal=Refusal("corrupt", "words"))
    keep(tmp_path, RECIPE, lost, refused)
    assert [find(tmp_path, RECIPE, one.id) for one in (lost, refused)] == [None, None]
