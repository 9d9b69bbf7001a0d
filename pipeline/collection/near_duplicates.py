"""Near-duplicates: fingerprints that lie close together, and the groups they make.

A fingerprint is 256 bits, as four words. It is compared with the views of every other picture (eight
orientations, crops and more: `images.fingerprint.VIEWS`). Two are near if they differ in at most
`max_distance` bits.

Near pairs are found by random keys. A table puts every fingerprint into a bucket named by some of its bits,
and a view is compared with the members of its own bucket. A pair at distance d shares a key of b bits with
probability C(256-d, b) / C(256, b) (Gionis, Indyk, Motwani 1999: bit sampling). Enough tables are searched to
miss one pair in a thousand at `max_distance` itself, and practically none below. NumPy is faster here than
the binary hash indexes of faiss, which collect a query's candidates in a set: docs/architecture.md.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
ReadViews = Callable[[int, int], Bytes]
Table = tuple[Ints, NDArray[np.uint32], NDArray[np.uint32]]

N_BITS = 256
MAX_DISTANCE = 47  # above it, unrelated pictures are near each other, and too many tables would be needed
_MISSED = 1e-3  # the share of the pairs at `max_distance` itself that may be missed
_NIBBLES = 64  # 4-bit parts of a fingerprint; keys are made of them
_MOST_A_BUCKET = 1024  # members compared: the same ones each time, so a large group stays one group
_TABLES, _ROWS, _CANDIDATES = 8, 1 << 13, 1 << 18  # at a time: bounds memory to some 60 MB beside the tables
_MANY = 1 << 21  # links are thinned above this number


@dataclass(frozen=True)
class Links:
    """Near pairs, one per entry: rows `a` and `b`, the bits that differ, the view of `a` that is near `b`."""

    a: Ints
    b: Ints
    distance: Ints
    view: Ints

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: Ints) -> "Links":
        """The links at these positions."""
        return Links(self.a[rows], self.b[rows], self.distance[rows], self.view[rows])


def link_near(
    fingerprints: Bytes,
    usable: NDArray[np.bool_],
    read_views: ReadViews,
    *,
    max_distance: int,
    margins: Sequence[int] | None = None,
) -> Links:
    """The minimum spanning forest of the near pairs: the closest links that hold every group together.

    Args:
        fingerprints: uint8 [n, 32].
        usable: bool [n]; a fingerprint that is not usable is near none.
        read_views: `read_views(start, stop)` gives uint8 [stop - start, v, 32]: the fingerprints that these
            pictures would have if they were turned, cropped and so on. The first view is the fingerprint
            itself.
        max_distance: in bits, up to MAX_DISTANCE; 0: equal fingerprints only.
        margins: by how many bits less a view may differ, for each view; None: all as `max_distance` says.

    Returns:
        Links sorted by a and b, fewer than n. They do not depend on the number of threads (one per core).
    """
    n = len(fingerprints)
    rows = np.flatnonzero(usable)
    first, copy = _find_equal(_pack_words(fingerprints[rows]))
    zeros = np.zeros(len(copy), dtype=np.int64)
    links = Links(rows[first[copy]], rows[copy], zeros, zeros)
    alone = rows[first == np.arange(len(rows))]
    if max_distance and len(alone) > 1:
        for more in _search(_pack_words(fingerprints[alone]), alone, read_views, max_distance, margins):
            links = _join(links, Links(alone[more.a], alone[more.b], more.distance, more.view))
            links = _thin(links, n) if len(links) > _MANY else links
    return _thin(links, n)


def find_components(n: int, a: Ints, b: Ints) -> Ints:
    """The connected component of each of n rows under the pairs (a, b), as its smallest row: int64 [n]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, label = connected_components(edges, directed=False)
    _, smallest = np.unique(label, return_index=True)
    return np.asarray(smallest[label], dtype=np.int64)


def _pack_words(fingerprints: Bytes) -> Words:
    """Fingerprints uint8 [..., 32] as four rows of words: uint64 [4, ...]."""
    words = np.ascontiguousarray(fingerprints).view("<u8").astype(np.uint64, copy=False)
    return np.ascontiguousarray(np.moveaxis(words, -1, 0))


def _find_equal(fingerprints: Words) -> tuple[Ints, Ints]:
    """For each row the first row with the same fingerprint; and the rows that are not the first."""
    n = fingerprints.shape[1]
    order = np.lexsort((*fingerprints,)).astype(np.int64)
    ordered = fingerprints[:, order]
    is_new = np.ones(n, dtype=bool)
    is_new[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    first = np.empty(n, dtype=np.int64)
    first[order] = order[is_new][np.cumsum(is_new) - 1]  # lexsort is stable: the smallest row comes first
    return first, np.flatnonzero(first != np.arange(n))


def _search(
    own: Words, rows: Ints, read_views: ReadViews, max_distance: int, margins: Sequence[int] | None
) -> Iterator[Links]:
    """The near pairs among fingerprints, words [4, n], table by table; `rows` says where their views are."""
    n_nibbles = min(5, max(2, round(math.log2(len(rows)) / 4)))
    rng = np.random.default_rng(0)
    keys = [
        rng.choice(_NIBBLES, n_nibbles, replace=False)
        for _ in range(count_tables(4 * n_nibbles, max_distance))
    ]
    with ThreadPoolExecutor(_count_cores()) as pool:
        for turn in range(0, len(keys), _TABLES):
            tables = list(pool.map(partial(_build_table, own), keys[turn : turn + _TABLES]))
            for start in range(0, len(rows), _ROWS):
                mine = rows[start : start + _ROWS]
                read = read_views(int(mine[0]), int(mine[-1]) + 1)
                views = _pack_words(read[mine - mine[0]].swapaxes(0, 1))
                limits = [max_distance - margin for margin in margins or [0] * views.shape[1]]
                search = partial(_search_table, own, views, start, limits)
                yield from pool.map(search, tables)


def count_tables(key_bits: int, max_distance: int) -> int:
    """How many tables with keys of `key_bits` random bits find all but _MISSED of the farthest near pairs."""
    shared = math.comb(N_BITS - max_distance, key_bits) / math.comb(N_BITS, key_bits)
    return math.ceil(math.log(_MISSED) / math.log1p(-shared))


def _build_table(own: Words, key: Ints) -> Table:
    """A key, the fingerprints in the order of their buckets, and where each bucket starts."""
    n, n_buckets = own.shape[1], 16 ** len(key)
    keys = _cut_keys(own, key)
    packed = np.sort((keys << np.uint64(32)) | np.arange(n, dtype=np.uint64))
    starts = np.zeros(n_buckets + 1, dtype=np.uint32)
    np.cumsum(np.bincount(keys.astype(np.int64), minlength=n_buckets), out=starts[1:])
    return key, packed.astype(np.uint32), starts  # the low half: the row


def _search_table(own: Words, views: Words, start: int, limits: Sequence[int], table: Table) -> Links:
    """The near pairs between a table and the views, words [4, v, m], of the fingerprints from `start` on.

    `limits` says how many bits may differ, for each view; none at all below 0.
    """
    key, order, starts = table
    links = _make_none()
    for number, limit in enumerate(limits):
        if limit < 0:
            continue
        view = views[:, number]
        keys = _cut_keys(view, key).astype(np.int64)
        low = starts[keys].astype(np.int64)
        count = np.minimum(starts[keys + 1] - low, _MOST_A_BUCKET)
        for rows, at in _list_candidates(low, count):
            b = order[at].astype(np.int64)
            found = _keep_near(view, own, rows, b, start=start, max_distance=limit, number=number)
            links = _join(links, found) if len(found) else links
        links = _thin(links, own.shape[1]) if len(links) > _MANY else links
    return links


def _cut_keys(words: Words, key: Ints) -> Words:
    """The nibbles `key` of each fingerprint side by side: words [4, n] -> [n]."""
    found = np.zeros(words.shape[1], dtype=np.uint64)
    for nibble in key:
        part = words[nibble // 16] >> np.uint64(4 * (nibble % 16))
        part &= np.uint64(15)
        found <<= np.uint64(4)
        found |= part
    return found


def _list_candidates(low: Ints, count: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Row i with each of `count[i]` places from low[i] on, as (rows, places), a bounded number at a time."""
    end = np.cumsum(count)
    start, n = 0, len(count)
    while start < n:
        done = end[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(end, done + _CANDIDATES, side="right")))
        counts = count[start:stop]
        rows = np.repeat(np.arange(start, stop), counts)
        first = low[start:stop] - (end[start:stop] - counts - done)
        yield rows, np.repeat(first, counts) + np.arange(len(rows))
        start = stop


def _keep_near(
    view: Words, own: Words, row: Ints, b: Ints, *, start: int, max_distance: int, number: int
) -> Links:
    """The near ones among the pairs (view in this row, fingerprint b)."""
    # A quarter of the bits rules out nearly all pairs: the errors of a near pair spread over the four words.
    quarter = max_distance / 4
    likely = np.bitwise_count(view[0][row] ^ own[0][b]) <= quarter + 4.5 * math.sqrt(quarter * 0.75)
    chosen = np.flatnonzero(likely)
    row, b = row[chosen], b[chosen]
    distance = np.bitwise_count(view[:, row] ^ own[:, b]).sum(axis=0, dtype=np.int64)
    a = row + start
    near = np.flatnonzero((distance <= max_distance) & ((a < b) if number == 0 else (a != b)))
    return Links(a[near], b[near], distance[near], np.full(len(near), number, dtype=np.int64))


def _thin(links: Links, n: int) -> Links:
    """The minimum spanning forest of the links, sorted by a and b; a fixed order of links makes it unique."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = np.minimum(links.a, links.b), np.maximum(links.a, links.b)
    order = np.lexsort((links.a, links.view, high, low, links.distance))
    pair = low[order] * n + high[order]
    _, first = np.unique(pair, return_index=True)
    rank = np.sort(first)
    best = order[rank]
    weight = np.arange(1, len(best) + 1, dtype=np.float64)  # 0 would be no link
    graph = coo_array((weight, (low[best], high[best])), shape=(n, n)).tocsr()
    chosen = best[np.sort(minimum_spanning_tree(graph).data.astype(np.int64)) - 1]
    kept = links.take(chosen)
    return kept.take(np.lexsort((kept.b, kept.a)))


def _join(one: Links, other: Links) -> Links:
    return Links(
        np.concatenate([one.a, other.a]),
        np.concatenate([one.b, other.b]),
        np.concatenate([one.distance, other.distance]),
        np.concatenate([one.view, other.view]),
    )


def _make_none() -> Links:
    nothing = np.zeros(0, dtype=np.int64)
    return Links(nothing, nothing, nothing, nothing)


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
