"""Links between near-duplicates, the forest that holds their groups together, and the groups."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Links:
    """Near pairs, one per entry: rows `a` and `b`, the bits that differ, the view of `a` that is near `b`."""

    a: Ints
    b: Ints
    distance: Ints
    view: Ints

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: Ints | Bools) -> "Links":
        """The links at these positions, or where a mask is true."""
        return Links(self.a[rows], self.b[rows], self.distance[rows], self.view[rows])

    def renumber(self, rows: Ints) -> "Links":
        """The same links, where row i is now called rows[i]."""
        return Links(rows[self.a], rows[self.b], self.distance, self.view)

    def list_columns(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The four columns, in the order of the fields."""
        return self.a, self.b, self.distance, self.view

    def join(self, other: "Links") -> "Links":
        """These links, then the others."""
        pairs = zip(self.list_columns(), other.list_columns(), strict=True)
        return Links(*(np.concatenate(pair) for pair in pairs))


def make_none() -> Links:
    """No links."""
    nothing = np.zeros(0, dtype=np.int64)
    return Links(nothing, nothing, nothing, nothing)


def thin(links: Links, n: int) -> Links:
    """The minimum spanning forest of the links between n rows, sorted by a and b.

    Links have a fixed order (by distance, then by rows and view), which makes the forest unique. So it is the
    same if the links are thinned in parts, and the forests of the parts once more.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = np.minimum(links.a, links.b), np.maximum(links.a, links.b)
    order = np.lexsort((links.a, links.view, high, low, links.distance))
    pair = low[order] * n + high[order]
    _, first = np.unique(pair, return_index=True)
    best = order[np.sort(first)]
    weight = np.arange(1, len(best) + 1, dtype=np.float64)  # 0 would be no link
    graph = coo_array((weight, (low[best], high[best])), shape=(n, n)).tocsr()
    chosen = best[np.sort(minimum_spanning_tree(graph).data.astype(np.int64)) - 1]
    kept = links.take(chosen)
    return kept.take(np.lexsort((kept.b, kept.a)))


def find_components(n: int, a: Ints, b: Ints) -> Ints:
    """The connected component of each of n rows under the pairs (a, b), as its smallest row: int64 [n]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, label = connected_components(edges, directed=False)
    _, smallest = np.unique(label, return_index=True)
    return np.asarray(smallest[label], dtype=np.int64)
