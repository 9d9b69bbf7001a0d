"""Near pairs against brute force, equal fingerprints, forests."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.collection import near_duplicates, near_search
from pipeline.collection.near_duplicates import link_near
from pipeline.collection.near_links import Links, find_components

N, N_COPIES = 3_000, 150
Bytes = NDArray[np.uint8]


def make_collection(max_distance: int, n_views: int = 3, seed: int = 0) -> tuple[Bytes, Bytes]:
    """Random fingerprints and views [n, v, 32]; the last N_COPIES are near a view of one of the others."""
    rng = np.random.default_rng(seed)
    views = rng.integers(0, 256, (N, n_views, 32), dtype=np.uint8)
    for copy in range(N - N_COPIES, N):
        flips = np.zeros(256, dtype=np.uint8)
        flips[rng.permutation(256)[: rng.integers(1, max_distance + 1)]] = 1
        original, view = rng.integers(0, N - N_COPIES), rng.integers(0, n_views)
        views[copy, 0] = views[original, view] ^ np.packbits(flips)
    return views[:, 0].copy(), views


def link(prints: Bytes, views: Bytes, max_distance: int, usable: NDArray[np.bool_] | None = None) -> Links:
    usable = np.ones(len(prints), dtype=bool) if usable is None else usable
    return link_near(prints, usable, lambda start, stop: views[start:stop], max_distance=max_distance)


def find_by_force(prints: Bytes, views: Bytes, max_distance: int) -> set[tuple[int, int]]:
    own = np.unpackbits(prints, axis=1).astype(np.float32) * 2 - 1
    found = set()
    for view in range(views.shape[1]):
        turned = np.unpackbits(views[:, view], axis=1).astype(np.float32) * 2 - 1
        distance = (256 - turned @ own.T) / 2
        found |= {(min(a, b), max(a, b)) for a, b in np.argwhere(distance <= max_distance).tolist() if a != b}
    return found


@pytest.mark.parametrize("max_distance", [3, 20, 31, 47])
def test_all_near_pairs_and_no_others(max_distance: int) -> None:
    prints, views = make_collection(max_distance)
    links = link(prints, views, max_distance)
    expected = find_by_force(prints, views, max_distance)
    assert len(expected) >= N_COPIES
    assert {
        (min(a, b), max(a, b)) for a, b in zip(links.a.tolist(), links.b.tolist(), strict=True)
    } <= expected
    pairs = np.array(sorted(expected))
    assert (
        find_components(N, links.a, links.b) == find_components(N, pairs[:, 0], pairs[:, 1])
    ).mean() > 0.999
    distance = np.bitwise_count(views[links.a, links.view] ^ prints[links.b]).sum(axis=1)
    assert (distance == links.distance).all()


@pytest.mark.parametrize(
    ("margins", "found"), [((0, 0, 0), N_COPIES), ((0, 11, 0), 100), ((11, 11, 11), 0), ((0, 99, 99), 50)]
)
def test_a_view_with_a_margin_may_differ_in_fewer_bits(margins: tuple[int, ...], found: int) -> None:
    """A third of the copies is 30 bits from each view."""
    rng = np.random.default_rng(0)
    views = rng.integers(0, 256, (N, 3, 32), dtype=np.uint8)
    for i, copy in enumerate(range(N - N_COPIES, N)):
        flips = (rng.random(256).argsort() < 30).astype(np.uint8)
        views[copy, 0] = views[i, i % 3] ^ np.packbits(flips)
    usable = np.ones(N, dtype=bool)
    links = link_near(views[:, 0].copy(), usable, lambda a, b: views[a:b], max_distance=40, margins=margins)
    assert len(links) == found


def test_order_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    prints, views = make_collection(20)
    links = link(prints, views, 20)
    monkeypatch.setattr(near_search, "_count_cores", lambda: 5)
    monkeypatch.setattr(near_search, "_ROWS", 70)
    monkeypatch.setattr(near_search, "MANY", 10)
    monkeypatch.setattr(near_duplicates, "MANY", 10)
    monkeypatch.setattr(near_search, "_CANDIDATES", 500)
    again = link(prints, views, 20)
    for name in ("a", "b", "distance", "view"):
        assert (getattr(links, name) == getattr(again, name)).all()
    order = np.random.default_rng(1).permutation(N)
    shuffled = link(prints[order], views[order], 20)
    mine = find_components(N, links.a, links.b)
    theirs = find_components(N, order[shuffled.a], order[shuffled.b])
    assert (mine == theirs).all()


def test_equal_fingerprints_are_linked_at_any_distance() -> None:
    prints, views = make_collection(20)
    prints[[5, 9]] = prints[2]
    views[[5, 9], 0] = prints[2]
    links = link(prints, views, 0)
    assert list(zip(links.a, links.b, links.distance, strict=True)) == [(2, 5, 0), (2, 9, 0)]


def test_what_is_not_usable_is_near_nothing() -> None:
    """Flat pictures have fingerprints that mean nothing: they must not chain the rest together."""
    prints, views = make_collection(20)
    usable = np.ones(N, dtype=bool)
    usable[N // 2 :] = False
    prints[~usable] = 0
    views[~usable] = 0
    links = link(prints, views, 20, usable)
    assert usable[links.a].all()
    assert usable[links.b].all()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_fingerprints(n: int) -> None:
    prints = np.zeros((n, 32), dtype=np.uint8)
    prints[1:, 0] = 1
    links = link(prints, prints[:, None], 31)
    assert list(zip(links.a, links.b, links.distance, strict=True)) == ([(0, 1, 1)] if n == 2 else [])


def test_a_crowd_makes_a_forest_of_nearest_links() -> None:
    """A chain 0-1-2-...: each picture one bit from the next is linked with its neighbours alone."""
    bits = np.tril(np.ones((40, 256), dtype=np.uint8), -1)
    prints = np.packbits(bits, axis=1)
    links = link(prints, prints[:, None], 31)
    assert list(zip(links.a, links.b, strict=True)) == [(i, i + 1) for i in range(39)]
    assert set(find_components(40, links.a, links.b)) == {0}
