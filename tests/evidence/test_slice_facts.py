"""The facts behind slices: from the manifests, never the class."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.evidence.slice_facts import read_facts
from pipeline.evidence.slices import Fact
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import build_table, write_table
from pipeline.tables.raw_manifest import RAW_MANIFEST

ROW = {
    **{"key": "a.png", "label": "cat", "source_split": "", "format": "JPEG", "width": 300, "height": 200},
    **{"exif_orientation": 1, "jpeg_quality": 80, "colourfulness": 0.2, "sharpness": 9.0, "brightness": 0.5},
    **{"duplicate_group": "", "shard": 0, "row": 0, "repairs": [], "pdq": bytes(32), "pdq_quality": 0},
}


def read(folder: Path, rows: list[dict[str, Any]], ids: list[str], group_by: str = "") -> dict[str, Fact]:
    """The facts by name, where both manifests hold these rows."""
    whole = [ROW | {"id": f"id-{i}"} | row for i, row in enumerate(rows)]
    for name, schema in (("raw", RAW_MANIFEST), ("clean", CLEAN_MANIFEST)):
        write_table(build_table(whole, schema, sort_by="id"), folder / f"{name}.parquet")
    paths = {f"{name}_manifest": folder / f"{name}.parquet" for name in ("raw", "clean")}
    return {fact.name: fact for fact in read_facts(ids, group_by=group_by, **paths)}


def test_facts_follow_the_ids_and_are_null_where_they_are_not_known(tmp_path: Path) -> None:
    unknown: dict[str, Any] = dict.fromkeys(("format", "width", "height", "exif_orientation", "jpeg_quality"))
    rows: list[dict[str, Any]] = [
        {"exif_orientation": 6},
        {**unknown, "colourfulness": None, "sharpness": None, "brightness": None},
        {"format": "PNG", "jpeg_quality": None, "colourfulness": 0.001},
    ]
    found = read(tmp_path, rows, ["id-2", "id-1", "id-0"])
    assert list(found) == [
        *(
            "file format",
            "shorter side",
            "width / height",
            "colour",
            "JPEG quality",
            "sharpness",
            "brightness",
        ),
        "folder",
    ]
    assert found["file format"].values.tolist() == ["PNG", None, "JPEG"]
    assert found["colour"].values.tolist() == ["grey", None, "colour"]
    assert found["shorter side"].values == pytest.approx([200, np.nan, 200], nan_ok=True)
    assert found["width / height"].values == pytest.approx([1.5, np.nan, 2 / 3], nan_ok=True)
    assert found["JPEG quality"].values == pytest.approx([np.nan, np.nan, 80], nan_ok=True)


@pytest.mark.parametrize(
    ("row", "group_by", "folder"),
    [
        pytest.param({"key": "cat/x.png"}, "", None, id="the class's folder is no source"),
        pytest.param({"key": "x.png"}, "", None, id="no folder"),
        pytest.param({"key": "cat/box 3/x.png"}, "", "box 3", id="a folder in that of the class"),
        pytest.param({"key": "box 3/cat/x.png"}, "", "box 3", id="a folder above it"),
        pytest.param({"key": "Testing/cat/x.png", "source_split": "test"}, "", None, id="the source's split"),
        pytest.param({"key": "cat/web__x.png"}, "([a-z]+)__", "web", id="split.group_by"),
        pytest.param({"key": "cat/box 3/x.png"}, "([a-z]+)__", None, id="not found by it"),
    ],
)
def test_the_source(row: dict[str, str], group_by: str, folder: str | None, tmp_path: Path) -> None:
    found = read(tmp_path, [row, {"key": "cat/far__x.png"}], ["id-0"], group_by)
    fact = found["source" if group_by else "folder"]
    assert fact.values.tolist() == [folder]
    assert fact.elsewhere == ({"far": 1} if group_by else {})


def test_a_picture_that_validate_has_not_seen(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks 1 of the test pictures, the first is id-9; run `dvc repro`"):
        read(tmp_path, [{}], ["id-0", "id-9"])
