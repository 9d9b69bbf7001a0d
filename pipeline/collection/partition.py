"""Train, val or test: each group of pictures is dealt by a hash of its own name.

The place of a group depends on the seed, the shares and its own name, never on other pictures or on their
order. So it is the same on every machine, and adding pictures moves no earlier one. In a small class chance
would leave too few test pictures. So small classes get exact shares instead (`divide`).
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.labels import LEARN

SPLITS = ("train", "val", "test")  # in order of rank: if members of one group differ, the highest wins


def draw_numbers(groups: Iterable[str], seed: int) -> NDArray[np.float64]:
    """For each group a number in [0, 1): bits of sha256("<seed>:<group>"), the same everywhere."""
    base = hashlib.sha256(f"{seed}:".encode())
    digests = bytearray()
    for group in groups:
        state = base.copy()
        state.update(group.encode())
        digests += state.digest()
    words = np.frombuffer(bytes(digests), dtype=">u8").astype(np.uint64).reshape(-1, 4)
    return np.asarray((words[:, 0] >> 11) / 2.0**53)  # a float holds 53 bits exactly


def compute_chances(given: str, brought: Collection[str], shares: Mapping[str, float]) -> dict[str, float]:
    """The probability of each split for a picture that the source itself puts into the split `given`.

    A picture that the source does not place ("") is dealt by `shares`. A picture in its val or test stays
    there, and one that is there to learn from is in train. A picture in its train is dealt, in proportion to
    `shares`, between train and those of val and test that the source lacks. `brought` holds the splits that
    the source has.
    """
    if given in ("val", "test", LEARN):
        return {name: float(name == ("train" if given == LEARN else given)) for name in SPLITS}
    closed = () if given == "" else [name for name in ("val", "test") if name in brought]
    left = {name: 0.0 if name in closed else shares[name] for name in SPLITS}
    total = sum(left.values())
    return {name: share / total for name, share in left.items()}


def deal(
    groups: "pd.Series[str]",
    source_splits: "pd.Series[str]",
    *,
    shares: Mapping[str, float],
    seed: int,
) -> "pd.Series[str]":
    """The split (train, val, test) of each picture.

    A group stays together. If the source puts members of one group into different splits, test wins over val,
    and val over train. So a picture to learn from that is near-duplicate to a test picture is tested.
    """
    member_of, names = pd.factorize(groups)
    u = draw_numbers(names.tolist(), seed)
    rank = np.zeros(len(names), dtype=np.int8)
    np.maximum.at(rank, member_of, _rank(u[member_of], source_splits, shares))
    return _name_splits(rank[member_of])


def divide(
    groups: "pd.Series[str]",
    source_splits: "pd.Series[str]",
    *,
    classes: NDArray[np.int32],
    exact_below: int,
    shares: Mapping[str, float],
    seed: int,
) -> "pd.Series[str]":
    """As `deal`, with exact shares in every class of fewer than `exact_below` pictures.

    There, new pictures may move earlier ones: single pictures only near the edges of the shares, because both
    rules go by the same hash.
    """
    parts = deal(groups, source_splits, shares=shares, seed=seed)
    is_small = np.bincount(classes)[classes] < exact_below
    member_of, names = pd.factorize(groups)
    has_small = np.zeros(len(names), dtype=bool)
    np.logical_or.at(has_small, member_of, is_small)
    chosen = np.flatnonzero(has_small[member_of])
    if len(chosen):
        parts.iloc[chosen] = deal_exactly(
            groups.iloc[chosen],
            source_splits.iloc[chosen],
            classes=classes[chosen],
            brought=set(source_splits),
            shares=shares,
            seed=seed,
        ).to_numpy()
    return parts


def deal_exactly(
    groups: "pd.Series[str]",
    source_splits: "pd.Series[str]",
    *,
    classes: NDArray[np.int32],
    brought: Collection[str],
    shares: Mapping[str, float],
    seed: int,
) -> "pd.Series[str]":
    """As `deal`, with the shares of each class as near as whole groups allow.

    Groups of several pictures are placed largest first, groups of one size by hash. Each goes where its
    classes are furthest below target. Single pictures then fill the gaps, in the order of their hashes.
    """
    member_of, names = pd.factorize(groups)
    u = draw_numbers(names.tolist(), seed)
    given_of, given = pd.factorize(source_splits)
    chance = np.array([list(compute_chances(name, brought, shares).values()) for name in given])
    cell_of, cells = pd.factorize(classes.astype(np.int64) * len(given) + given_of)  # class and source split
    lacking = np.bincount(cell_of)[:, None] * chance[cells % len(given)]
    asked = np.maximum(lacking, 1e-9)
    size = np.bincount(member_of)
    least = np.zeros(len(names), dtype=np.int8)  # a group must be where the source puts one of its members
    np.maximum.at(least, member_of, np.where(chance.max(axis=1) == 1, chance.argmax(axis=1), 0)[given_of])
    rank = least.copy()
    members = pd.Series(cell_of).groupby(member_of).indices
    for group in np.lexsort((u, -size)):
        if size[group] == 1:
            break
        inside, n_inside = np.unique(cell_of[members[group]], return_counts=True)
        if not least[group]:
            deciding = _choose_deciding(given[cells[inside] % len(given)])
            may = (chance[cells[inside[deciding]] % len(given)] > 0).all(axis=0)
            lacked = lacking[inside[deciding]] / asked[inside[deciding]]
            need = (n_inside[deciding, None] * lacked).sum(axis=0)
            rank[group] = np.argmax(np.where(may, need, -np.inf))
        lacking[inside, rank[group]] -= n_inside
    single = np.flatnonzero(size[member_of] == 1)
    single = single[np.argsort(u[member_of[single]], kind="stable")]
    for cell in range(len(cells)):
        mine = single[cell_of[single] == cell]
        quota = _round_to_whole(lacking[cell], len(mine))
        rank[member_of[mine]] = np.repeat([2, 1, 0], quota[::-1])
    return _name_splits(rank[member_of])


def _choose_deciding(given: NDArray[Any]) -> NDArray[np.bool_]:
    """Whose place a group takes [n]: not that of pictures to learn from, unless it holds no others."""
    is_other = np.asarray(given != LEARN)
    return is_other if is_other.any() else ~is_other


def _name_splits(rank: NDArray[np.int8]) -> "pd.Series[str]":
    return pd.Series(np.array(SPLITS, dtype=object)[rank], dtype="str")


def _round_to_whole(lacking: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """`n` pictures divided in proportion to `lacking`, in whole numbers per split by largest remainder."""
    wanted = lacking.clip(min=0)
    wanted = wanted * (n / max(wanted.sum(), 1e-9))
    quota = np.floor(wanted + 1e-9).astype(np.int64)
    quota[np.argsort(quota - wanted, kind="stable")[: n - quota.sum()]] += 1
    return np.asarray(quota)


def check_no_leak(groups: "pd.Series[str]", part: "pd.Series[Any]", what: str) -> None:
    """Raise DataError if one group lies in two parts; `what` names them: split or fold."""
    member_of, names = pd.factorize(groups)
    number, _ = pd.factorize(part)
    lowest, highest = np.full(len(names), number.max(initial=0)), np.zeros(len(names), dtype=number.dtype)
    np.minimum.at(lowest, member_of, number)
    np.maximum.at(highest, member_of, number)
    leaks = np.flatnonzero(lowest != highest)
    if leaks.size:
        raise DataError(
            f"{leaks.size} groups of pictures lie in more than one {what}, first {names[leaks[0]]!r}; "
            "nothing was written; this is a fault of Darkroom: please report it"
        )


def find_unlikely_shares(
    placed: pd.DataFrame, counts: pd.DataFrame, shares: Mapping[str, float]
) -> list[str]:
    """The classes whose count in a split is more than three standard errors off, each in words."""
    brought = set(placed["source_split"])
    chance = {given: compute_chances(given, brought, shares) for given in brought}
    # A group is dealt as one: its members count with the square of its size in the variance.
    size = placed.groupby(["class_index", "group"], sort=False)["id"].transform("size")
    found = []
    for part in SPLITS:
        p = placed["source_split"].map({given: chance[given][part] for given in brought}).astype(float)
        expected = p.groupby(placed["class_index"]).sum().to_numpy()
        deviation = np.sqrt((p * (1 - p) * size).groupby(placed["class_index"]).sum().to_numpy())
        off = np.abs(counts[part].to_numpy() - expected) > 3 * deviation + 0.5
        found += [
            f"class {counts.index[i]!r} has {counts[part].iloc[i]:,} pictures in {part}, {expected[i]:,.0f} "
            "were expected"
            for i in np.flatnonzero(off)
        ]
    return found


def _rank(
    u: NDArray[np.float64], source_splits: "pd.Series[str]", shares: Mapping[str, float]
) -> NDArray[np.int8]:
    """The rank in SPLITS that each picture has by its `u`, before its group is brought together."""
    code, given = pd.factorize(source_splits)
    rank = np.zeros(len(u), dtype=np.int8)
    for i, name in enumerate(given):
        chance = compute_chances(name, set(given), shares)
        # Test comes first, then val: a larger `test` at the cost of val moves no picture between train and
        # the rest.
        edges = [chance["test"], chance["test"] + chance["val"]]
        mine = code == i
        rank[mine] = 2 - np.searchsorted(edges, u[mine], side="right")
    return rank
