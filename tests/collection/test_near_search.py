"""The search: enough tables, full buckets, and that some of the fingerprints are asked as all are."""

import logging
import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.collection import near_search
from pipeline.collection.near_links import Bools, Links, make_none
from pipeline.collection.near_search import (
    HASH_BYTES,
    Nodes,
    choose_keys,
    count_tables,
    find_left_out,
    find_near,
    pack_words,
)

N, LIMITS = 400, [31, 31, 28]


def make_nodes(seed: int = 0) -> Nodes:
    """Fingerprints, half of which are near a view of another; the views lie in another order."""
    rng = np.random.default_rng(seed)
    views = rng.integers(0, 256, (N, 3, 32), dtype=np.uint8)
    for copy in range(N // 2, N):
        flips = (rng.random(256).argsort() < rng.integers(1, 25)).astype(np.uint8)
        views[copy, 0] = views[rng.integers(0, copy), rng.integers(0, 3)] ^ np.packbits(flips)
    order = np.lexsort((*pack_words(views[:, 0]),))
    return Nodes(views[order, 0], order, lambda start, stop: views[start:stop])


def search(nodes: Nodes, asked: Bools) -> set[tuple[int, ...]]:
    links = make_none()
    for more in find_near(nodes, asked, choose_keys(N, 31), LIMITS):
        links = links.join(more)
    return list_rows(links)


def list_rows(links: Links) -> set[tuple[int, ...]]:
    return set(zip(*(column.tolist() for column in links.list_columns()), strict=True))


@pytest.mark.parametrize(("most", "n_in_a_byte", "few"), [(2, 255, 1024), (1024, 255, 0), (3, 1, 5)])
def test_some_are_asked_as_all_are(
    monkeypatch: pytest.MonkeyPatch, most: int, n_in_a_byte: int, few: int
) -> None:
    """All links with an end among them, in both directions, and no others, in full buckets too."""
    monkeypatch.setattr(near_search, "MOST_A_BUCKET", most)
    monkeypatch.setattr(near_search, "_MANY_MEMBERS", n_in_a_byte)
    monkeypatch.setattr(near_search, "_FEW", few)
    monkeypatch.setattr(near_search, "_ROWS", 70)
    nodes = make_nodes()
    every = search(nodes, np.ones(N, dtype=bool))
    assert len(every) > N // 4
    for n_asked in (0, 1, 40):
        asked = np.random.default_rng(1).permutation(N) < n_asked
        assert search(nodes, asked) == {link for link in every if asked[link[0]] or asked[link[1]]}


@pytest.mark.parametrize("n_asked", [1, 40, N])
def test_progress_counts_every_step(
    n_asked: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The last line says that all is done, and nothing is left."""
    monkeypatch.setattr(near_search, "_ROWS", 70)
    monkeypatch.setattr("pipeline.progress.LINE_EVERY_S", 0)
    with caplog.at_level(logging.INFO, logger="pipeline.progress"):
        search(make_nodes(), np.arange(N) < n_asked)
    said = [line for line in caplog.messages if line.startswith("near-duplicates: comparing, 70 pictures")]
    done, total = re.findall(r"(\d+) of (\d+), .*, 0 s left", said[-1])[0]
    assert done == total == str(len(said))


@pytest.mark.parametrize(("n_in_a_byte", "few"), [(1, 1024), (3, 1024), (255, 0), (2, 100)])
def test_how_a_bucket_is_walked_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, n_in_a_byte: int, few: int
) -> None:
    nodes, asked = make_nodes(), np.ones(N, dtype=bool)
    expected = search(nodes, asked)
    monkeypatch.setattr(near_search, "_MANY_MEMBERS", n_in_a_byte)
    monkeypatch.setattr(near_search, "_FEW", few)
    monkeypatch.setattr(near_search, "_CANDIDATES", 50)
    assert search(nodes, asked) == expected


def test_a_full_bucket_leaves_out_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_search, "MOST_A_BUCKET", 3)
    prints: NDArray[np.uint8] = np.zeros((6, 32), dtype=np.uint8)
    prints[:, 31] = np.arange(6)
    assert find_left_out(prints, np.array([0, 1])).tolist() == [False] * 3 + [True] * 3
    assert not find_left_out(prints[:3], np.array([0, 1])).any()


def test_a_hash_changes_with_any_view() -> None:
    nodes = make_nodes()
    hashes = nodes.hash_views()
    assert hashes.shape == (N, HASH_BYTES)
    changed = nodes.read_views(0, N).copy()
    changed[nodes.row[5], 2, 31] ^= 1
    others = Nodes(nodes.prints, nodes.row, lambda start, stop: changed[start:stop]).hash_views()
    assert np.flatnonzero((hashes != others).any(axis=1)).tolist() == [5]


@pytest.mark.parametrize("tables", [pytest.param(lambda: count_tables(20, 31), id="20 bits at 31")])
def test_tables_are_enough(tables: Callable[[], int]) -> None:
    rng = np.random.default_rng(0)
    n = tables()
    hit = np.zeros(4_000, dtype=bool)
    for _ in range(n):
        hit |= (rng.random((4_000, 20)) > 31 / 256).all(axis=1)
    assert hit.mean() > 0.997
    assert n < 120
