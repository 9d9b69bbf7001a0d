"""Pictures of a manifest's images: classes in the order given, only images that can be used, no crash."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.collection.overview import compute_quantiles, draw_images
from pipeline.tables.raw_manifest import RAW_MANIFEST

GOOD = {
    "label": "a",
    "width": 30,
    "height": 20,
    "brightness": 0.5,
    "contrast": 0.1,
    "sharpness": 900.0,
    "entropy": 5.0,
    "colourfulness": 3.0,
    "share_white": 0.1,
    "verdict": "kept",
}
WIDE = GOOD | {"label": "b", "width": 500}
AWAY = {"label": "b", "verdict": "quarantined", "width": 9}


def test_quantiles_come_in_the_order_of_classes_and_leave_gaps() -> None:
    label = pd.Series(["b", "a", "b", "c", "b"], dtype="str")
    found = compute_quantiles(label, pd.Series([1.0, 7.0, 3.0, np.nan, 2.0]), ["c", "b", "none", "a"])
    assert np.isnan(found[[0, 2]]).all()
    assert found[1].tolist() == pytest.approx([1.1, 1.5, 2, 2.5, 2.9])
    assert found[3].tolist() == [7] * 5


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        pytest.param([GOOD, WIDE], "", id="two classes"),
        pytest.param([GOOD, AWAY], "The only image", id="a class without an image that can be used"),
        pytest.param([AWAY], "There is no image", id="no image that can be used"),
    ],
)
def test_two_pictures_the_same_each_time(rows: list[dict[str, Any]], sentence: str, tmp_path: Path) -> None:
    manifest = pa.Table.from_pylist(rows, schema=RAW_MANIFEST)
    files = [tmp_path / "sizes.png", tmp_path / "measures.png"]
    drawn = draw_images(manifest, ["a", "b"], tmp_path)
    assert list(drawn) == ["Sizes", "Measures"]
    assert str(drawn["Sizes"]).startswith(sentence or str(files[0]))
    assert drawn["Measures"] == files[1]
    first = [path.read_bytes() for path in files]
    draw_images(manifest, ["a", "b"], tmp_path)
    assert [path.read_bytes() for path in files] == first


def test_what_cannot_be_used_is_not_drawn(tmp_path: Path) -> None:
    drawn = []
    for rows in ([GOOD, WIDE, AWAY], [GOOD, WIDE]):
        draw_images(pa.Table.from_pylist(rows, schema=RAW_MANIFEST), ["a", "b"], tmp_path)
        drawn.append((tmp_path / "sizes.png").read_bytes())
    assert drawn[0] == drawn[1]
