"""Inspections come back as they were; what is of the moment, or of other settings, does not."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.collection import known_inspections
from pipeline.collection.known_files import KnownFiles
from pipeline.collection.known_inspections import KnownInspections
from pipeline.images import computation
from pipeline.images.inspection import Inspection, give_up, inspect
from pipeline.refusals import Refusal
from pipeline.sources import Record

SETTINGS: dict[str, Any] = {
    "formats": ("JPEG", "PNG", "TIFF", "GIF"),
    "max_pixels": 10_000,
    "min_side_px": 4,
    "min_local_contrast": 0.04,
}


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def draw_noise(mode: str = "RGB", side: int = 40) -> Image.Image:
    rng = np.random.default_rng(len(mode) * side)
    return Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).convert(mode)


def make_files() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 3)
    return {
        "a.jpg": encode(draw_noise(), "JPEG", quality=80, dpi=(300, 299.5), exif=exif),
        "grey.png": encode(draw_noise("L"), "PNG"),
        "alpha.png": encode(draw_noise("RGBA"), "PNG"),
        "deep.png": encode(deep, "PNG"),
        "deep.tif": encode(deep, "TIFF"),
        "blank.png": encode(Image.new("RGB", (40, 40)), "PNG"),
        "large.png": encode(draw_noise(side=101), "PNG"),
        "small.png": encode(draw_noise(side=3), "PNG"),
        "moving.gif": encode(draw_noise(), "GIF", save_all=True, append_images=[draw_noise("L")]),
        "cut.jpg": encode(draw_noise(), "JPEG")[:-200],
        "text.png": b"no image",
        "empty.png": b"",
    }


def make_record(key: str, refusal: Refusal | None = None) -> Record:
    return Record(key, "a", "", b"", refusal)


def without_nothing(found: Inspection) -> Inspection:
    """A fact that is None is one that is absent: the table says the same of both."""
    return replace(found, facts={name: value for name, value in found.facts.items() if value is not None})


Remember = Callable[..., KnownInspections]


def test_every_kind_of_file_comes_back(tmp_path: Path) -> None:
    files = make_files()
    found = {name: inspect(data, name, **SETTINGS) for name, data in files.items()}
    assert {one.refusal.reason for one in found.values() if one.refusal} >= {
        *("low_information", "too_many_pixels", "too_small", "animated", "truncated", "not_an_image"),
        "empty",
    }
    with KnownFiles(tmp_path) as known:
        book = KnownInspections(known, SETTINGS)
        for name, one in found.items():
            book.keep(make_record(name), one)
    with KnownFiles(tmp_path) as known:
        book = KnownInspections(known, SETTINGS)
        for name, one in found.items():
            again = book.find(make_record(name), one.id)
            assert again is not None
            assert without_nothing(again) == without_nothing(one)
            kinds = {fact: type(value) for fact, value in without_nothing(again).facts.items()}
            assert {fact: kinds[fact] for fact in kinds if kinds[fact] is bool} == {"has_exif": bool} or (
                one.refusal
            )


def test_the_name_of_a_file_is_asked_anew(tmp_path: Path) -> None:
    """The same bytes under another ending are repaired, or not."""
    data = make_files()["grey.png"]
    with KnownFiles(tmp_path) as known:
        book = KnownInspections(known, SETTINGS)
        book.keep(make_record("a/1.png"), inspect(data, "a/1.png", **SETTINGS))
        known.store.flush()
        image_id = inspect(data, "x", **SETTINGS).id
        assert book.find(make_record("b/other.PNG"), image_id) is not None
        assert book.find(make_record("b/other.jpg"), image_id) is None
        assert book.find(make_record("b/other"), image_id) is None


def test_what_is_of_the_moment_is_not_kept(tmp_path: Path) -> None:
    lost = give_up((b"x", "a.png"), "its process was killed, as happens when memory runs out")
    slow = give_up((b"y", "a.png"), "reading it took longer than 5 s of computing time")
    refused = inspect(b"", "a.png", **SETTINGS)
    with KnownFiles(tmp_path) as known:
        book = KnownInspections(known, SETTINGS)
        for one in (lost, slow):
            book.keep(make_record("a.png"), one)
        book.keep(make_record("a.png", Refusal("unreadable", "permission denied")), refused)
        known.store.flush()
        assert [book.find(make_record("a.png"), one.id) for one in (lost, slow, refused)] == [None] * 3


@pytest.mark.parametrize(
    "other", [{"max_pixels": 9_999}, {"formats": ("PNG",)}, {"min_side_px": 5}, {"min_local_contrast": 0.05}]
)
def test_other_settings_find_nothing(tmp_path: Path, other: dict[str, Any]) -> None:
    one = inspect(make_files()["grey.png"], "1.png", **SETTINGS)
    with KnownFiles(tmp_path) as known:
        KnownInspections(known, SETTINGS).keep(make_record("1.png"), one)
    with KnownFiles(tmp_path) as known:
        assert KnownInspections(known, SETTINGS | other).is_empty
        assert not KnownInspections(known, SETTINGS).is_empty


def test_other_code_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = inspect(make_files()["grey.png"], "1.png", **SETTINGS)
    with KnownFiles(tmp_path) as known:
        KnownInspections(known, SETTINGS).keep(make_record("1.png"), one)
    monkeypatch.setattr(known_inspections, "hash_computation", lambda: "of other code")
    with KnownFiles(tmp_path) as known:
        assert KnownInspections(known, SETTINGS).is_empty


def test_code_libraries_and_machine_are_in_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed line of this room, a new file, another Pillow: each gives another hash."""
    room = tmp_path / "images"
    room.mkdir()
    for name in computation._BESIDE:
        (tmp_path / name).write_text("")
    (room / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(computation, "_ROOM", room)

    def hash_anew() -> str:
        computation.hash_computation.cache_clear()
        return computation.hash_computation()

    try:
        hashes = [hash_anew(), hash_anew()]
        assert len({*hashes}) == 1
        (room / "a.py").write_text("x = 2\n")
        hashes.append(hash_anew())
        (room / "b.py").write_text("")
        hashes.append(hash_anew())
        (tmp_path / "refusals.py").write_text("y = 1\n")
        hashes.append(hash_anew())
        monkeypatch.setattr(computation, "version", lambda _: "0")
        hashes.append(hash_anew())
        monkeypatch.setattr("platform.machine", lambda: "other")
        hashes.append(hash_anew())
        assert len({*hashes}) == len(hashes) - 1
    finally:
        computation.hash_computation.cache_clear()
