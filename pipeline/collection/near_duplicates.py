"""Near-duplicates: fingerprints that lie close together, and the groups they make.

A fingerprint is 256 bits. It is compared with the views of every other picture (eight orientations, crops and
more: `images.fingerprint.VIEWS`). Two are near if they differ in at most `max_distance` bits.
`collection/near_search.py` says how near pairs are found.

What an earlier search found is used again (`collection/known_links.py`), and the result is that of a search
from nothing. Why: a fingerprint has changed if it or its views are new, or if a full bucket now holds it that
did not, or the other way round. If a group of the earlier search holds one that has changed or gone, all of
the group count as changed. Whether two others are linked depends on nothing else, so it is as before. They
make up whole groups, so their forest is a part of the earlier forest. A link that the forest of some links
does not need, the forest of all does not need either. So that forest and all links that touch a changed
fingerprint have the forest of all links. This holds as links have one order, whoever comes or goes:
fingerprints are numbered in the order of their bits.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.collection.known_links import Forest, KnownLinks
from pipeline.collection.near_links import Bools, Ints, Links, find_components, make_none, thin
from pipeline.collection.near_search import (
    MANY,
    Bytes,
    Nodes,
    ReadViews,
    choose_keys,
    find_left_out,
    find_near,
    pack_words,
)

MAX_DISTANCE = 47  # above it, unrelated pictures are near each other, and too many tables would be needed
_MOST_CHANGED = 0.25  # above this share all are searched, which costs less then


def link_near(
    fingerprints: Bytes,
    usable: NDArray[np.bool_],
    read_views: ReadViews,
    *,
    max_distance: int,
    margins: Sequence[int] | None = None,
    known: KnownLinks | None = None,
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
        known: where an earlier search is found, and this one is kept; the result is the same without.

    Returns:
        Links sorted by a and b, fewer than n. They do not depend on the number of threads (one per core).
    """
    rows = np.flatnonzero(usable)
    prints = fingerprints[rows]
    first, order = _find_equal(prints)
    copy = np.flatnonzero(first != np.arange(len(rows)))
    zeros = np.zeros(len(copy), dtype=np.int64)
    links = Links(rows[first[copy]], rows[copy], zeros, zeros)
    alone = order[first[order] == order]
    nodes = Nodes(prints[alone], rows[alone], read_views)
    del prints, first, order, alone  # 56 bytes a picture, while the tables are searched
    if max_distance and len(nodes) > 1:
        n_views = read_views(int(rows[0]), int(rows[0]) + 1).shape[1]
        limits = [max_distance - margin for margin in margins or [0] * n_views]
        links = links.join(_grow_forest(nodes, max_distance, limits, known).renumber(nodes.row))
    return links.take(np.lexsort((links.b, links.a)))


def _find_equal(rows: Bytes) -> tuple[Ints, Ints]:
    """For each row, uint8 [n, 8 k], the first that is equal; and the rows sorted, equal ones as they come."""
    words = pack_words(rows)
    n = words.shape[1]
    order = np.lexsort((*words,)).astype(np.int64)  # stable
    ordered = words[:, order]
    is_new = np.ones(n, dtype=bool)
    is_new[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    first = np.empty(n, dtype=np.int64)
    first[order] = order[is_new][np.cumsum(is_new) - 1]
    return first, order


def _grow_forest(nodes: Nodes, max_distance: int, limits: Sequence[int], known: KnownLinks | None) -> Links:
    """The forest of the near pairs among nodes, from what an earlier search left, and keep it."""
    n = len(nodes)
    keys = choose_keys(n, max_distance)
    links, changed = make_none(), np.ones(n, dtype=bool)
    hashes = None
    if known:
        hashes = nodes.hash_views()
        if earlier := known.find(limits, keys):
            links, changed = _use_earlier(earlier, np.hstack((nodes.prints, hashes)), keys)
        del earlier  # it is as large as the nodes, and the search takes room of its own
        if changed.mean() > _MOST_CHANGED:
            links, changed = make_none(), np.ones(n, dtype=bool)
    for more in find_near(nodes, changed, keys, limits):
        links = links.join(more) if len(more) else links
        links = thin(links, n) if len(links) > MANY else links
    links = thin(links, n)
    if known and hashes is not None:
        known.keep(limits, keys, Forest(np.hstack((nodes.prints, hashes)), links))
    return links


def _use_earlier(earlier: Forest, ids: Bytes, keys: Sequence[Ints]) -> tuple[Links, Bools]:
    """The links of an earlier forest that hold still, and which of the nodes are to be searched anew."""
    n_earlier, n = len(earlier.ids), len(ids)
    first, _ = _find_equal(np.concatenate([earlier.ids, ids]))
    old = first[n_earlier:]  # the number that each had, if it was there
    stayed = np.flatnonzero(old < n_earlier)
    old = old[stayed]
    touched = np.ones(n_earlier, dtype=bool)
    touched[old] = False
    for key in keys:
        was, now = find_left_out(earlier.prints, key), find_left_out(ids[:, : earlier.prints.shape[1]], key)
        touched[old] |= was[old] != now[stayed]
    group = find_components(n_earlier, earlier.links.a, earlier.links.b)
    is_lost = np.zeros(n_earlier, dtype=bool)
    is_lost[group[touched]] = True
    lost = is_lost[group]
    changed = np.ones(n, dtype=bool)
    changed[stayed] = lost[old]
    number = np.zeros(n_earlier, dtype=np.int64)
    number[old] = stayed
    return earlier.links.take(~lost[earlier.links.a]).renumber(number), changed
