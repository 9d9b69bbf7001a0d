"""The search for near fingerprints: which pairs are near, by random keys.

A table puts every fingerprint into a bucket named by some of its bits, and a view is compared with the
members of its own bucket. A pair at distance d shares a key of b bits with probability
C(256-d, b) / C(256, b) (Gionis, Indyk, Motwani 1999: bit sampling). Enough tables are searched to miss one
pair in a thousand at the largest distance itself, and practically none below. NumPy is faster here than the
binary hash indexes of faiss, which collect a query's candidates in a set: docs/architecture.md.

Whether a pair is found depends on the two fingerprints, on the keys, and on who else is in a bucket that is
too full. Nothing depends on the order of the rows, so `find_near` can be asked about some fingerprints only.
"""

import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.collection.near_links import Bools, Ints, Links, make_none, thin
from pipeline.progress import track

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
ReadViews = Callable[[int, int], Bytes]

N_BITS = 256
PRINT_BYTES, HASH_BYTES = N_BITS // 8, 16
ID_BYTES = PRINT_BYTES + HASH_BYTES
MOST_A_BUCKET = 1024  # members compared, those with the smallest fingerprints: a large group stays one group
_MISSED = 1e-3  # the share of the pairs at the largest distance itself that may be missed
_NIBBLES = 64  # 4-bit parts of a fingerprint; keys are made of them
_TABLES, _ROWS = 8, 1 << 10  # at a time: a table of a million takes 17 MB, the views of these rows 5 MB
_CANDIDATES = 1 << 17  # pairs that are compared at once
_MANY_MEMBERS = 255  # of a bucket, from which on their number is not at hand in a byte
_FEW = 1024  # pairs for which it does not pay to take the next member of each bucket at once
MANY = 1 << 21  # links are thinned above this number
_GAP = 16  # rows that are read in vain before reading starts anew


@dataclass(frozen=True)
class Nodes:
    """Fingerprints that differ, and where their views are read.

    Attributes:
        prints: uint8 [n, 32], sorted (`pack_words` and `np.lexsort`).
        row: int64 [n]: the row that `read_views` knows each by.
        read_views: `read_views(start, stop)` gives uint8 [stop - start, v, 32].
    """

    prints: Bytes
    row: Ints
    read_views: ReadViews

    def __len__(self) -> int:
        return len(self.prints)

    def stream_views(self, chosen: Ints) -> Iterator[tuple[Ints, Bytes]]:
        """The chosen nodes in the order of their rows, some at a time, with their views, [m, v, 32]."""
        ordered = chosen[np.argsort(self.row[chosen])]
        for start in range(0, len(ordered), _ROWS):
            nodes = ordered[start : start + _ROWS]
            rows = self.row[nodes]
            runs = np.split(rows, np.flatnonzero(np.diff(rows) > _GAP) + 1)
            views = [self.read_views(int(run[0]), int(run[-1]) + 1)[run - run[0]] for run in runs]
            yield nodes, np.concatenate(views)

    def hash_views(self) -> Bytes:
        """A hash of the views of each: uint8 [n, HASH_BYTES]."""
        found = np.zeros((len(self), HASH_BYTES), dtype=np.uint8)
        every, n_steps = self.stream_views(np.arange(len(self))), -(-len(self) // _ROWS)
        for nodes, views in track(every, total=n_steps, what=_say("reading")):
            hashes = b"".join(hashlib.blake2b(one, digest_size=HASH_BYTES).digest() for one in views)
            found[nodes] = np.frombuffer(hashes, np.uint8).reshape(-1, HASH_BYTES)
        return found


class _Table:
    """Fingerprints by bucket, as numbers (`order`) and by their first words, and where each bucket starts."""

    def __init__(self, prints: Bytes, key: Ints) -> None:
        keys = _cut_keys(prints.T, key)
        packed = np.sort((keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64))
        self.key, self.order = key, packed.astype(np.uint32)  # the low half: the row
        self.words = _view_words(prints)[self.order, 0]
        self._starts = _find_starts(keys, len(key))
        self._sizes = np.minimum(np.diff(self._starts), min(_MANY_MEMBERS, MOST_A_BUCKET)).astype(np.uint8)

    def find_buckets(self, keys: NDArray[np.uint32]) -> tuple[Ints, Ints, Ints]:
        """The positions of keys whose bucket is not empty, where it starts, and how many are compared."""
        places = keys.astype(np.intp)
        sizes = self._sizes.take(places)
        chosen = np.flatnonzero(sizes)
        places, count = places[chosen], sizes[chosen].astype(np.int64)
        low = self._starts.take(places).astype(np.int64)
        large = np.flatnonzero(count == _MANY_MEMBERS)
        count[large] = np.minimum(self._starts[places[large] + 1] - low[large], MOST_A_BUCKET)
        return chosen, low, count


class _SmallTable:
    """The same of few fingerprints: their keys, sorted, and which buckets are not empty."""

    def __init__(self, prints: Bytes, asked: Bools, key: Ints) -> None:
        keys = _cut_keys(prints.T, key)
        members = np.flatnonzero(asked & ~_find_left_out(keys, len(key)))
        order = members[np.argsort(keys[members], kind="stable")]
        self.key, self.order, self._keys = key, order.astype(np.uint32), keys[order]
        self.words = _view_words(prints)[order, 0]
        self._is_taken = np.zeros(16 ** len(key), dtype=np.bool_)
        self._is_taken[self._keys] = True

    def find_buckets(self, keys: NDArray[np.uint32]) -> tuple[Ints, Ints, Ints]:
        """As of a table."""
        chosen = np.flatnonzero(self._is_taken.take(keys.astype(np.intp)))
        low = np.searchsorted(self._keys, keys[chosen], side="left")
        return chosen, low, np.searchsorted(self._keys, keys[chosen], side="right") - low


_Tables = Sequence[_Table | _SmallTable]


def choose_keys(n: int, max_distance: int) -> list[Ints]:
    """The nibbles of each table's key, for n fingerprints."""
    n_nibbles = min(5, max(2, round(math.log2(n) / 4)))
    rng = np.random.default_rng(0)
    n_tables = count_tables(4 * n_nibbles, max_distance)
    return [rng.choice(_NIBBLES, n_nibbles, replace=False) for _ in range(n_tables)]


def count_tables(key_bits: int, max_distance: int) -> int:
    """How many tables with keys of `key_bits` random bits find all but _MISSED of the farthest near pairs."""
    shared = math.comb(N_BITS - max_distance, key_bits) / math.comb(N_BITS, key_bits)
    return math.ceil(math.log(_MISSED) / math.log1p(-shared))


def find_near(nodes: Nodes, asked: Bools, keys: Sequence[Ints], limits: Sequence[int]) -> Iterator[Links]:
    """The near pairs with an end, or both, among the asked nodes, some at a time.

    Where there are very many, only the forest of some of them (`near_links.thin`).

    Args:
        nodes: what may be near.
        asked: bool [n].
        keys: as `choose_keys`.
        limits: how many bits may differ, for each view; none at all below 0.
    """
    if not asked.any():
        return
    n, n_asked = len(asked), int(asked.sum())
    with ThreadPoolExecutor(_count_cores()) as pool:

        def search() -> Iterator[Links]:
            for turn in range(0, len(keys), _TABLES):
                tables = list(pool.map(partial(_Table, nodes.prints), keys[turn : turn + _TABLES]))
                yield from _search_all(pool, nodes, np.flatnonzero(asked), limits, tables)
            if n_asked < n:
                small = list(pool.map(partial(_SmallTable, nodes.prints, asked), keys))
                yield from _search_all(pool, nodes, np.flatnonzero(~asked), limits, small)

        n_steps = -(-n_asked // _ROWS) * -(-len(keys) // _TABLES) + -(-(n - n_asked) // _ROWS)
        yield from track(search(), total=n_steps, what=_say("comparing"))


def find_left_out(prints: Bytes, key: Ints) -> Bools:
    """Which of the fingerprints, sorted, are not compared in this table, as their bucket is too full."""
    return _find_left_out(_cut_keys(prints.T, key), len(key))


def pack_words(rows: Bytes) -> Words:
    """Rows uint8 [n, 8 k] as words, uint64 [k, n]: what `np.lexsort` sorts them by."""
    return np.ascontiguousarray(_view_words(rows).T)


def _search_all(
    pool: Executor, nodes: Nodes, chosen: Ints, limits: Sequence[int], tables: _Tables
) -> Iterator[Links]:
    """The links of some of the chosen nodes at a time; what the threads do next is read meanwhile."""
    waiting: deque[Future[Links]] = deque()
    own = _view_words(nodes.prints)
    for some, views in nodes.stream_views(chosen):
        waiting.append(pool.submit(_search_some, own, some, views, limits, tables))
        if len(waiting) > _count_cores():
            yield waiting.popleft().result()
    yield from (found.result() for found in waiting)


def _search_some(own: Words, nodes: Ints, views: Bytes, limits: Sequence[int], tables: _Tables) -> Links:
    queries, links = _Queries(own, nodes, views, limits), make_none()
    for found in (one for table in tables for one in queries.search(table)):
        links = links.join(found)
        links = thin(links, len(own)) if len(links) > MANY else links
    return links


class _Queries:
    """The views of some nodes, laid out for the search."""

    def __init__(self, own: Words, nodes: Ints, views: Bytes, limits: Sequence[int]) -> None:
        limit = np.array(limits, dtype=np.int64)
        used = np.flatnonzero(limit >= 0)
        views = views if len(used) == len(limit) else views[:, used]
        self._own, self._nodes, self._n_views = own, nodes, len(used)
        self._used, self._limit = used, limit[used]
        # A quarter of the bits rules out nearly all pairs: errors of a near pair spread over the four words.
        quarter = self._limit / 4
        self._likely = np.floor(quarter + 4.5 * np.sqrt(quarter * 0.75)).astype(np.int64)
        flat = views.reshape(-1, views.shape[-1])
        self._words, self._columns = _view_words(flat), np.ascontiguousarray(flat.T)
        self._firsts = np.ascontiguousarray(self._words[:, 0])

    def search(self, table: _Table | _SmallTable) -> Iterator[Links]:
        """The near pairs between these views and the fingerprints of a table, where there are any."""
        if not self._n_views:
            return
        query, low, count = table.find_buckets(_cut_keys(self._columns, table.key))
        depth = 0
        while len(query) > _FEW:  # the members of each bucket one after the other: most have few
            yield from self._compare(table, query, low + depth)
            depth += 1
            deeper = np.flatnonzero(count > depth)
            query, low, count = query[deeper], low[deeper], count[deeper]
        for row, at in _list_candidates(low + depth, count - depth):
            yield from self._compare(table, query[row], at)

    def _compare(self, table: _Table | _SmallTable, query: Ints, at: Ints) -> Iterator[Links]:
        """The links of these queries with what lies at these places of a table, if there are any."""
        differ = np.bitwise_count(table.words.take(at) ^ self._firsts.take(query))
        chosen = np.flatnonzero(differ <= self._likely.max())
        if not len(chosen):
            return
        query, b = query[chosen], table.order[at[chosen]].astype(np.int64)
        view = query % self._n_views
        distance = np.bitwise_count(self._words[query] ^ self._own[b]).sum(axis=1, dtype=np.int64)
        a, number = self._nodes[query // self._n_views], self._used[view]
        near = (differ[chosen] <= self._likely[view]) & (distance <= self._limit[view])
        near &= np.where(number == 0, a < b, a != b)
        if near.any():
            yield Links(a, b, distance, number).take(near)


def _view_words(rows: Bytes) -> Words:
    """Rows uint8 [n, 8 k] as uint64 [n, k]."""
    return np.ascontiguousarray(rows).view("<u8").astype(np.uint64, copy=False)


def _find_starts(keys: NDArray[np.uint32], n_nibbles: int) -> NDArray[np.uint32]:
    starts = np.zeros(16**n_nibbles + 1, dtype=np.uint32)
    np.cumsum(np.bincount(keys, minlength=16**n_nibbles), out=starts[1:])
    return starts


def _find_left_out(keys: NDArray[np.uint32], n_nibbles: int) -> Bools:
    left_out = np.zeros(len(keys), dtype=np.bool_)
    starts = _find_starts(keys, n_nibbles)
    if len(keys) > MOST_A_BUCKET and np.diff(starts).max() > MOST_A_BUCKET:
        order = np.argsort(keys, kind="stable")
        left_out[order] = np.arange(len(keys)) - starts[keys[order]] >= MOST_A_BUCKET
    return left_out


def _cut_keys(columns: Bytes, key: Ints) -> NDArray[np.uint32]:
    """The nibbles `key` of each fingerprint side by side: bytes [32, n] -> [n]."""
    found = np.zeros(columns.shape[1], dtype=np.uint32)
    parts = [columns[nibble // 2] >> 4 if nibble % 2 else columns[nibble // 2] & 15 for nibble in key]
    for high, low in zip(parts[::2], parts[1::2], strict=False):
        found <<= np.uint32(8)
        found |= (high << 4) | low
    if len(parts) % 2:
        found <<= np.uint32(4)
        found |= parts[-1]
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


def _say(what: str) -> str:
    return f"near-duplicates: {what}, {_ROWS:,} pictures at a time"


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
