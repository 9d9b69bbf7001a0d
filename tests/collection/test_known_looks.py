"""Pictures are handed on as long as there is a store with room for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.collection.known_files import KnownFiles
from pipeline.collection.known_looks import KnownLooks
from pipeline.collection.known_pictures import KnownPictures
from pipeline.images.first_look import Look, look_item
from pipeline.images.recipe import Recipe
from pipeline.refusals import Refusal
from pipeline.sources import Record
from tests.images.scenes import draw_noise, encode

RECIPE = Recipe((12, 10), 3, "pad", "bicubic", 0, ("JPEG", "PNG"), 10_000)
SETTINGS: dict[str, Any] = {
    "formats": ("JPEG", "PNG"),
    "max_pixels": 10_000,
    "min_side_px": 4,
    "min_local_contrast": 0.0,
}
RECORD = Record("a/1.png", "a", "", b"")


def look(seed: int) -> Look:
    return look_item((encode(draw_noise(seed=seed)), "1.png", True), recipe=RECIPE, **SETTINGS)


def find_picture(known: KnownFiles, image_id: str, recipe: Recipe = RECIPE) -> bool:
    return KnownPictures(known, recipe, lambda _: True).find(RECORD, image_id) is not None


def test_facts_and_picture_are_kept(tmp_path: Path) -> None:
    one = look(1)
    with KnownFiles(tmp_path) as known:
        book = KnownLooks(known, SETTINGS, RECIPE)
        assert book.is_empty
        assert book.wants_pictures
        book.keep(RECORD, one)
    with KnownFiles(tmp_path) as known:
        book = KnownLooks(known, SETTINGS, RECIPE)
        found = book.find(RECORD, one.id)
        assert found is not None
        assert found.id == one.id
        assert found.inspection.facts["width"] == one.inspection.facts["width"]
        assert book.find(RECORD, "0" * 64) is None
        assert find_picture(known, one.id)
        deep = replace(RECIPE, scales=(("u16", 0.0, 4095.0),))
        assert find_picture(known, one.id, deep), "another file of the collection needs a scale"


def test_pictures_leave_room_for_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [look(seed) for seed in range(4)]
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0.00002")  # 20 kB; a picture and its views have 5.4 kB
    with KnownFiles(tmp_path) as known:
        book = KnownLooks(known, SETTINGS, RECIPE)
        wanted = []
        for one in looks:
            wanted.append(book.wants_pictures)
            book.keep(RECORD, one if book.wants_pictures else Look(one.inspection))
    assert wanted == [True, True, False, False]


def test_no_picture_is_wanted_for_nobody(tmp_path: Path) -> None:
    with KnownFiles(None) as known:
        assert not KnownLooks(known, SETTINGS, RECIPE).wants_pictures
    tga = Recipe((12, 10), 3, "pad", "bicubic", 0, ("PNG", "TGA"))
    with KnownFiles(tmp_path) as known:
        assert not KnownLooks(known, SETTINGS, tga).wants_pictures, "what clean decodes depends on others"


def test_a_file_that_could_not_be_read_leaves_nothing(tmp_path: Path) -> None:
    one = look(1)
    refused = Record("a/1.png", "a", "", b"", Refusal("unreadable", "permission denied"))
    with KnownFiles(tmp_path) as known:
        book = KnownLooks(known, SETTINGS, RECIPE)
        book.keep(refused, one)
        known.store.flush()
        assert book.find(RECORD, one.id) is None
        assert not find_picture(known, one.id)
