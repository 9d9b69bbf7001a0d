"""Groups by name, the table of pairs, the counts."""

import numpy as np
import pyarrow as pa

from pipeline.collection.duplicate_groups import build_pairs, measure_groups, name_groups
from pipeline.collection.near_links import Links
from pipeline.tables.pairs import PAIRS

NAMES = {i: (name, f"x/{name}.png") for i, name in enumerate(["d", "c", "b", "a", "e"])}
LINKS = Links(*(np.array(column) for column in ([0, 1, 3], [1, 2, 4], [3, 9, 1], [0, 1, 2])))


def test_a_group_is_called_after_its_smallest_id() -> None:
    assert name_groups(NAMES, LINKS, 5) == {0: "b", 1: "b", 2: "b", 3: "a", 4: "a"}


def test_the_pairs_are_sorted_and_named() -> None:
    table = build_pairs(NAMES, LINKS, ("upright", "mirrored", "cropped"))
    assert table.schema == PAIRS
    assert table.column("id_a").to_pylist() == ["a", "c", "d"]
    assert table.column("key_b").to_pylist() == ["x/e.png", "x/b.png", "x/c.png"]
    assert table.column("distance").to_pylist() == [1, 9, 3]
    assert table.column("orientation").to_pylist() == ["cropped", "mirrored", "upright"]
    nothing = np.zeros(0, dtype=np.int64)
    assert build_pairs({}, Links(nothing, nothing, nothing, nothing), ()).num_rows == 0


def test_groups_are_counted() -> None:
    kept = pa.table({"duplicate_group": ["one"] * 5 + ["two"] * 2 + [str(i) for i in range(100)]})
    assert measure_groups(kept) == {"n_groups": 2, "n_near_duplicates": 7, "n_largest_group": 5}
