"""The sheet of near-duplicates: the originals in pairs, with names and distances, the least alike first."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.collection import pair_sheet
from pipeline.collection.pair_sheet import Limits, draw_pairs
from pipeline.sources.records import Record, Source
from pipeline.tables.pairs import PAIRS

LIMITS = Limits(("PNG",), 10_000, 20)


def make_source(shades: dict[str, int], broken: str) -> Source:
    def stream() -> Any:
        for key, shade in shades.items():
            data = io.BytesIO()
            Image.new("L", (60, 40), shade).save(data, "PNG")
            yield Record(key, "a", "", b"?" if key == broken else data.getvalue())

    return Source(Path(), ("a",), len(shades), 0, (), stream)


def make_pairs(ends: list[tuple[str, str, int]]) -> pa.Table:
    rows = [
        {"id_a": a, "key_a": a, "id_b": b, "key_b": b, "distance": bits, "orientation": "upright"}
        for a, b, bits in ends
    ]
    return pa.Table.from_pylist(rows, schema=PAIRS)


def test_originals_are_shown_in_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(
        pair_sheet,
        "draw_pictures_in_pairs",
        lambda *given, title, path: drawn.update(given=given, title=title),
    )
    source = make_source({"a/1": 10, "a/2": 20, "a/3": 30, "a/4": 40}, broken="a/4")
    draw_pairs(make_pairs([("a/1", "a/2", 3), ("a/3", "a/4", 30)]), source, LIMITS, tmp_path / "x.png")
    assert drawn["title"] == "Near-duplicates: 2 pairs, the least alike first"
    draw_pairs(make_pairs([("a/1", "a/2", 3)]), source, LIMITS, tmp_path / "x.png")
    assert drawn["title"] == "Near-duplicates: 1 pair"
    draw_pairs(make_pairs([("a/1", "a/2", 3), ("a/3", "a/4", 30)]), source, LIMITS, tmp_path / "x.png")
    pictures, names, notes = drawn["given"]
    assert names == ["a/3", "a/4", "a/1", "a/2"]
    assert notes == ["30 of 256 bits differ", "3 of 256 bits differ"]
    assert [int(picture[90, 40, 0]) for picture in pictures[[0, 2, 3]]] == [30, 10, 20]
    assert len(np.unique(pictures[1])) == 2, "a crossed tile"


def test_no_pair_reads_no_file(tmp_path: Path) -> None:
    def stream() -> Any:
        raise AssertionError

    source = Source(Path(), (), 0, 0, (), stream)
    draw_pairs(make_pairs([]), source, LIMITS, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 0
