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
AWAY = {"label": "b", "verdict": "quarantined", "width": 9}


def test_quantiles_come_in_the_order_of_classes_and_leave_gaps() -> None:
    label = pd.Series(["b", "a", "b", "c", "b"], dtype="str")
    found = compute_quantiles(label, pd.Series([1.0, 7.0, 3.0, np.nan, 2.0]), ["c", "b", "none", "a"])
    assert np.isnan(found[[0, 2]]).all()
    assert found[1].tolist() == pytest.approx([1.1, 1.5, 2, 2.5, 2.9])
    assert found[3].tolist() == [7] * 5


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([GOOD, GOOD | {"label": "b", "width": 500}], id="two classes"),
        pytest.param([GOOD, AWAY], id="a class without an image that can be used"),
        pytest.param([AWAY], id="no image that can be used"),
    ],
)
def test_two_pictures_the_same_each_time(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    manifest = pa.Table.from_pylist(rows, schema=RAW_MANIFEST)
    drawn = draw_images(manifest, ["a", "b"], tmp_path)
    assert drawn == {"Sizes": tmp_path / "sizes.png", "Measures": tmp_path / "measures.png"}
    first = [path.read_bytes() for path in drawn.values()]
    assert [path.read_bytes() for path in draw_images(manifest, ["a", "b"], tmp_path).values()] == first


def test_what_cannot_be_used_is_not_drawn(tmp_path: Path) -> None:
    with_away, without = (pa.Table.from_pylist(rows, schema=RAW_MANIFEST) for rows in ([GOOD, AWAY], [GOOD]))
    drawn = [
        draw_images(manifest, ["a", "b"], tmp_path)["Sizes"].read_bytes() for manifest in (with_away, without)
    ]
    assert drawn[0] == drawn[1]
