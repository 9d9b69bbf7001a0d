"""Near-duplicates by name: the group of each picture, and the table of pairs."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collection.near_links import Links, find_components
from pipeline.tables.pairs import PAIRS

Names = Mapping[int, tuple[str, str]]  # id and key of a picture that has links, by its number


def name_groups(names: Names, links: Links, n: int) -> dict[int, str]:
    """The group of each picture that has a near-duplicate: the smallest id among its members."""
    group = find_components(n, links.a, links.b)
    members = sorted({*links.a.tolist(), *links.b.tolist()}, key=lambda at: names[at][0], reverse=True)
    smallest = {int(group[at]): names[at][0] for at in members}
    return {at: smallest[int(group[at])] for at in members}


def build_pairs(names: Names, links: Links, views: Sequence[str]) -> pa.Table:
    """The links as a table of schema PAIRS, sorted by ids."""
    columns = (links.a, links.b, links.distance, links.view)
    rows = []
    for a, b, distance, view in zip(*(column.tolist() for column in columns), strict=True):
        ends = {"id_a": names[a][0], "key_a": names[a][1], "id_b": names[b][0], "key_b": names[b][1]}
        rows.append(ends | {"distance": distance, "orientation": views[view]})
    table = pa.Table.from_pylist(rows, schema=PAIRS)
    return table.sort_by([("id_a", "ascending"), ("id_b", "ascending")])


def list_sizes(kept: pa.Table) -> list[int]:
    """How many pictures each group of near-duplicates holds; most pictures are in none, and cost nothing."""
    counts = kept.column("duplicate_group").value_counts().field("counts")
    found: list[int] = counts.filter(pc.greater(counts, 1)).to_pylist()
    return found


def measure_groups(kept: pa.Table) -> dict[str, int]:
    """The number of groups of near-duplicates, of pictures in them, and the size of the largest group.

    A large group is a bad sign: unrelated pictures may be linked in it.
    """
    sizes = list_sizes(kept)
    largest = max(sizes, default=0)
    return {"n_groups": len(sizes), "n_near_duplicates": sum(sizes), "n_largest_group": largest}
