"""Who is trained on and who is tested on: each group of pictures dealt by a hash of its own name.

What a group gets depends on the seed, the shares and its own name, never on other pictures or on
their order: it is the same on every machine, and adding pictures moves no earlier one. (`deal_exactly`
gives that up for exact shares.)
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DataError

SPLITS = ("train", "val", "test")  # by rank: where members of one group differ, the highest wins


def draw_numbers(groups: Iterable[str], seed: int) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """For each group a number in [0, 1) and, independent of it, a whole one in [0, 2**64).

    Both are bits of sha256("<seed>:<group>"), so they are the same everywhere.
    """
    base = hashlib.sha256(f"{seed}:".encode())
    digests = bytearray()
    for group in groups:
        state = base.copy()
        state.update(group.encode())
        digests += state.digest()
    words = np.frombuffer(bytes(digests), dtype=">u8").astype(np.uint64).reshape(-1, 4)
    return (words[:, 0] >> 11) / 2.0**53, words[:, 1]  # a float holds 53 bits exactly


def compute_chances(given: str, brought: Collection[str], shares: Mapping[str, float]) -> dict[str, float]:
    """The probability of each split for a picture to which the source gives the split `given`.

    A picture the source does not place ("") is dealt by `shares`; one in its val or test stays. One
    in its train is dealt between train and whichever of val and test the source does not bring
    (`brought`: the splits it does), in proportion to `shares`.
    """
    if given in ("val", "test"):
        return {name: float(name == given) for name in SPLITS}
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
    folds: int,
) -> pd.DataFrame:
    """A row a picture: its `split` (train, val, test) and `fold` (0..folds-1; -1 for test).

    A group stays together: where the source itself puts members of one group into different splits,
    test wins over val, and val over train.
    """
    member_of, names = pd.factorize(groups)
    u, word = draw_numbers(names.tolist(), seed)
    rank = np.zeros(len(names), dtype=np.int8)
    np.maximum.at(rank, member_of, _rank(u[member_of], source_splits, shares))
    fold = np.where(rank == SPLITS.index("test"), -1, (word % np.uint64(folds)).astype(np.int8))
    return pd.DataFrame(
        {"split": np.array(SPLITS, dtype=object)[rank][member_of], "fold": fold[member_of].astype(np.int8)}
    )


def find_group_names(keys: "pd.Series[str]", pattern: str) -> list[str]:
    """What the pattern's first group (or whole match) finds in each key; "" where it finds nothing."""
    compiled = re.compile(pattern)
    number = min(compiled.groups, 1)
    matches = (compiled.search(key) for key in keys)
    return [(match[number] or "") if match else "" for match in matches]


def deal_exactly(
    groups: "pd.Series[str]",
    source_splits: "pd.Series[str]",
    *,
    classes: NDArray[np.int32],
    shares: Mapping[str, float],
    seed: int,
    folds: int,
) -> pd.DataFrame:
    """As `deal`, with the shares of each class as near as whole groups allow.

    Groups of several pictures come first, the largest first, then by hash: each goes where its classes
    lack most, against what is asked for. Single pictures then fill up, in the order of their hashes.
    """
    member_of, names = pd.factorize(groups)
    u, word = draw_numbers(names.tolist(), seed)
    given_of, given = pd.factorize(source_splits)
    chance = np.array([list(compute_chances(name, set(given), shares).values()) for name in given])
    cell_of, cells = pd.factorize(classes.astype(np.int64) * len(given) + given_of)  # class and source split
    lacking = np.bincount(cell_of)[:, None] * chance[cells % len(given)]
    asked = np.maximum(lacking, 1e-9)
    size = np.bincount(member_of)
    least = np.zeros(len(names), dtype=np.int8)  # where the source puts a member is where its group must be
    np.maximum.at(least, member_of, np.where(chance.max(axis=1) == 1, chance.argmax(axis=1), 0)[given_of])
    rank = least.copy()
    members = pd.Series(cell_of).groupby(member_of).indices
    for group in np.lexsort((u, -size)):
        if size[group] == 1:
            break
        inside, n_inside = np.unique(cell_of[members[group]], return_counts=True)
        if not least[group]:
            may = (chance[cells[inside] % len(given)] > 0).all(axis=0)
            need = (n_inside[:, None] * lacking[inside] / asked[inside]).sum(axis=0)
            rank[group] = np.argmax(np.where(may, need, -np.inf))
        lacking[inside, rank[group]] -= n_inside
    single = np.flatnonzero(size[member_of] == 1)
    single = single[np.argsort(u[member_of[single]], kind="stable")]
    for cell in range(len(cells)):
        mine = single[cell_of[single] == cell]
        quota = _round_to_whole(lacking[cell], len(mine))
        rank[member_of[mine]] = np.repeat([2, 1, 0], quota[::-1])
    fold = np.where(rank == SPLITS.index("test"), -1, (word % np.uint64(folds)).astype(np.int8))
    return pd.DataFrame(
        {"split": np.array(SPLITS, dtype=object)[rank][member_of], "fold": fold[member_of].astype(np.int8)}
    )


def _round_to_whole(lacking: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """`n` pictures in whole numbers a split, in proportion to what is lacking, by largest remainder."""
    wanted = lacking.clip(min=0)
    wanted = wanted * (n / max(wanted.sum(), 1e-9))
    quota = np.floor(wanted + 1e-9).astype(np.int64)
    quota[np.argsort(quota - wanted, kind="stable")[: n - quota.sum()]] += 1
    return np.asarray(quota)


def check_no_leak(groups: "pd.Series[str]", parts: pd.DataFrame) -> None:
    """Raise DataError where one group lies in two splits, or in two folds."""
    member_of, names = pd.factorize(groups)
    for column in ("split", "fold"):
        part, _ = pd.factorize(parts[column])
        lowest, highest = np.full(len(names), part.max(initial=0)), np.zeros(len(names), dtype=part.dtype)
        np.minimum.at(lowest, member_of, part)
        np.maximum.at(highest, member_of, part)
        leaks = np.flatnonzero(lowest != highest)
        if leaks.size:
            raise DataError(
                f"{leaks.size} groups of pictures lie in more than one {column}, first {names[leaks[0]]!r}; "
                "nothing was written; this is a fault of Darkroom: please report it"
            )


def _rank(
    u: NDArray[np.float64], source_splits: "pd.Series[str]", shares: Mapping[str, float]
) -> NDArray[np.int8]:
    """The rank in SPLITS that each picture's `u` falls to, before its group is held together."""
    code, given = pd.factorize(source_splits)
    rank = np.zeros(len(u), dtype=np.int8)
    for i, name in enumerate(given):
        chance = compute_chances(name, set(given), shares)
        # Test first, then val: growing `test` at val's cost moves no picture between train and the rest.
        edges = [chance["test"], chance["test"] + chance["val"]]
        mine = code == i
        rank[mine] = 2 - np.searchsorted(edges, u[mine], side="right")
    return rank
