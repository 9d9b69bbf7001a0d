"""Near-duplicates from an earlier search: after any history, the links are those of a search from nothing."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.collection import near_duplicates, near_search
from pipeline.collection.known_links import KnownLinks
from pipeline.collection.near_duplicates import link_near
from pipeline.collection.near_links import Bools, Links, find_components
from pipeline.collection.result_store import ResultStore

Bytes = NDArray[np.uint8]
N_HISTORIES, N_STEPS, DISTANCE, N_VIEWS = 10, 4, 31, 3
MARGINS = [0, 0, 3]


class History:
    """Pictures by name: their views uint8 [v, 32], the first of which is their fingerprint."""

    def __init__(self, seed: int) -> None:
        self.rng, self.bits = random.Random(seed), np.random.default_rng(seed)
        self.pictures = {f"{self.rng.random()}": self.make() for _ in range(150)}
        for _ in range(8):
            self.grow(self.rng.choice([*self.pictures]), self.rng.choice([1, 3, 30]))

    def make(self) -> Bytes:
        return self.bits.integers(0, 256, (N_VIEWS, 32), dtype=np.uint8)

    def disturb(self, print_: Bytes, n_bits: int) -> Bytes:
        flips = (self.bits.random(256).argsort() < n_bits).astype(np.uint8)
        return print_ ^ np.packbits(flips)

    def grow(self, name: str, n: int) -> None:
        """A chain, a star or a crowd about a picture: near its fingerprint, or one of its views."""
        shape, last = self.rng.choice(("chain", "star", "equal")), self.pictures[name]
        for _ in range(n):
            views = self.make()
            near = last[self.rng.randrange(N_VIEWS)]
            views[0] = self.disturb(near, 0 if shape == "equal" else self.rng.randint(1, 28))
            self.pictures[f"{self.rng.random()}"] = views
            last = views if shape == "chain" else last

    def find_middle(self, links: Links) -> list[str]:
        """The pictures that most hangs on: in the middle of chains and stars."""
        names = sorted(self.pictures)
        ends = np.bincount(np.concatenate([links.a, links.b]), minlength=len(names))
        return [names[at] for at in np.argsort(-ends, kind="stable")[:5]]

    def change(self, links: Links) -> None:
        """Some additions, removals, renamings, edits, and groups that lose their middle."""
        names, rng = sorted(self.pictures), self.rng
        for name in rng.sample(names, rng.choice([0, 1, 9])):
            match rng.choice(("remove", "rename", "edit", "views", "grow")):
                case "remove":
                    del self.pictures[name]
                case "rename":
                    self.pictures[f"{rng.random()}"] = self.pictures.pop(name)
                case "edit":
                    self.pictures[name] = self.make()
                case "views":
                    self.pictures[name] = np.concatenate([self.pictures[name][:1], self.make()[1:]])
                case "grow":
                    self.grow(name, rng.choice([1, 2, 20]))
        for name in rng.sample(self.find_middle(links), rng.randint(0, 2)):
            self.pictures.pop(name, None)

    def link(self, known: KnownLinks | None, distance: int = DISTANCE) -> Links:
        views = np.stack([self.pictures[name] for name in sorted(self.pictures)])
        usable = np.arange(len(views)) % 17 > 0
        return link_near(
            views[:, 0].copy(),
            usable,
            lambda start, stop: views[start:stop],
            max_distance=distance,
            margins=MARGINS,
            known=known,
        )


def link_in(folder: Path, history: History, distance: int = DISTANCE, project: str = "p") -> Links:
    with ResultStore(folder) as store:
        return history.link(KnownLinks(store, project), distance)


def assert_same(some: Links, others: Links) -> None:
    for one, other in zip(some.list_columns(), others.list_columns(), strict=True):
        assert one.tolist() == other.tolist()


@pytest.fixture
def n_searched(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The share of the fingerprints that each search was about."""
    shares: list[float] = []

    def find(nodes: near_search.Nodes, asked: Bools, *rest: Any) -> Iterator[Links]:
        shares.append(float(asked.mean()))
        yield from near_search.find_near(nodes, asked, *rest)

    monkeypatch.setattr(near_duplicates, "find_near", find)
    return shares


@pytest.mark.parametrize("most", [3, 20, 1024], ids=lambda most: f"{most} a bucket")
@pytest.mark.parametrize("seed", range(N_HISTORIES))
def test_after_a_history_the_links_are_those_of_a_search_from_nothing(
    tmp_path: Path, n_searched: list[float], monkeypatch: pytest.MonkeyPatch, seed: int, most: int
) -> None:
    """Groups grow, split and lose their middle, and buckets are too full in many tables."""
    monkeypatch.setattr(near_search, "MOST_A_BUCKET", most)
    monkeypatch.setattr(near_duplicates, "_MOST_CHANGED", 0.9)
    history = History(seed)
    links = link_in(tmp_path, history)
    for _ in range(N_STEPS):
        history.change(links)
        links = link_in(tmp_path, history)
        n_searched.append(-1)
        assert_same(links, history.link(None))
    assert any(0 < share < 0.9 for share in n_searched)


def test_a_new_batch_is_searched_and_no_other(tmp_path: Path, n_searched: list[float]) -> None:
    history = History(0)
    link_in(tmp_path, history)
    n = len(history.pictures)
    for i in range(5):
        history.pictures[f"new {i}"] = history.make()
    link_in(tmp_path, history)
    link_in(tmp_path, history)
    assert n_searched[0] == 1
    assert 0 < n_searched[1] < 6 / n * 2
    assert n_searched[2] == 0


def test_a_bridge_between_two_groups_that_goes_again(tmp_path: Path) -> None:
    history = History(1)
    left = history.make()
    bridge, right = left.copy(), history.make()
    bridge[0] = history.disturb(left[0], 20)
    right[0] = history.disturb(bridge[0], 20)
    history.pictures = {f"{i}": history.make() for i in range(110)} | {"x": left, "z": right}
    groups = []
    for name in ("", "y", ""):
        history.pictures.pop("y", None)
        history.pictures |= {name: bridge} if name else {}
        links = link_in(tmp_path, history)
        assert_same(links, history.link(None))
        group = find_components(len(history.pictures), links.a, links.b)
        groups.append(len(history.pictures) - len(set(group.tolist())))
    assert groups == [0, 2, 0]


def test_other_terms_and_projects_have_searches_of_their_own(tmp_path: Path, n_searched: list[float]) -> None:
    history = History(2)
    for distance, project in ((31, "p"), (30, "p"), (31, "q")):
        assert_same(link_in(tmp_path, history, distance, project), history.link(None, distance))
    assert n_searched == [1] * 6
    for distance, project in ((31, "p"), (30, "p"), (31, "q")):
        link_in(tmp_path, history, distance, project)
    assert n_searched[6:] == [0] * 3


@pytest.mark.parametrize("damage", ["flip", "cut", "foreign", "unsorted", "far", "negative"])
def test_what_is_damaged_is_searched_anew(tmp_path: Path, n_searched: list[float], damage: str) -> None:
    history = History(3)
    links = link_in(tmp_path, history)
    with sqlite3.connect(tmp_path / "results.db") as db:
        ((key, stored),) = db.execute("SELECT key, body FROM entry JOIN body USING (at)").fetchall()
        if damage == "flip":
            db.execute("UPDATE body SET body = ?", (stored[:-9] + bytes([stored[-9] ^ 1]) + stored[-8:],))
    db.close()
    with ResultStore(tmp_path) as store:
        whole = stored[4:]  # behind the checksum
        n, n_links = np.frombuffer(whole, "<u8", 2).tolist()
        end = 16 + n * 48 + n_links * 8  # of the column b
        bodies = {
            "cut": whole[:-1],
            "foreign": bytes(range(256)) * 40,
            "unsorted": whole[:16] + whole[64:112] + whole[16:64] + whole[112:],
            "far": whole[: end - 4] + n.to_bytes(4, "little") + whole[end:],
            "negative": whole[: end - 4] + b"\xff" * 4 + whole[end:],
        }
        if damage in bodies:
            store.replace(key, bodies[damage])
    n_searched.clear()
    assert_same(link_in(tmp_path, history), links)
    assert n_searched == [1]
    n_searched.clear()
    link_in(tmp_path, history)
    assert n_searched == [0], "the new search is kept in its place"


def test_without_room_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(4)
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0.00002")
    for _ in range(2):
        assert_same(link_in(tmp_path, history), history.link(None))
