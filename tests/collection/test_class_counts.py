"""The table of classes and splits: cut short where it is long."""

import pandas as pd

from pipeline.collection.class_counts import MAX_TABLE_ROWS, describe_counts


def test_many_classes_are_cut_short() -> None:
    names = [f"class {i:03d}" for i in range(MAX_TABLE_ROWS + 50)]
    counts = pd.DataFrame({"train": range(150, 0, -1), "val": 1, "test": 1}, index=names)
    lines = describe_counts(counts).splitlines()
    assert len(lines) == MAX_TABLE_ROWS + 2
    assert "class 149" in lines[1]
