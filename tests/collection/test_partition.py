"""Dealing by hash: fixed numbers, stability, what a source brings, groups held together."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.collection.partition import (
    check_no_leak,
    compute_chances,
    deal,
    deal_exactly,
    divide,
    draw_numbers,
    find_unlikely_shares,
)
from pipeline.errors import DataError
from pipeline.labels import LEARN

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


def make_ids(n: int, start: int = 0) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(start, start + n)]


def deal_ids(groups: list[str], source_splits: list[str] | None = None, *, seed: int = 0) -> "pd.Series[str]":
    given = pd.Series(source_splits or [""] * len(groups), dtype="str")
    return deal(pd.Series(groups, dtype="str"), given, shares=SHARES, seed=seed)


def test_the_draw_is_fixed_for_ever() -> None:
    digest = hashlib.sha256(b"0:abc").digest()
    (u,) = draw_numbers(["abc"], seed=0)
    assert u == (int.from_bytes(digest[:8], "big") >> 11) / 2**53
    parts = deal_ids(["a", "b", "f", "h", "m", "é"])
    assert parts.tolist() == ["train", "train", "val", "test", "train", "train"]


def test_shares_come_out_within_three_standard_errors() -> None:
    parts = deal_ids(make_ids(20_000))
    for name, share in SHARES.items():
        deviation = np.sqrt(share * (1 - share) / len(parts))
        assert abs((parts == name).mean() - share) < 3 * deviation


def test_adding_pictures_moves_none() -> None:
    before = deal_ids(make_ids(1_000))
    after = deal_ids(make_ids(100, start=5_000) + make_ids(1_000)).iloc[100:].reset_index(drop=True)
    pd.testing.assert_series_equal(after, before)


def test_another_seed_deals_anew() -> None:
    same = (deal_ids(make_ids(1_000)) == deal_ids(make_ids(1_000), seed=1)).mean()
    assert same == pytest.approx(0.7**2 + 2 * 0.15**2, abs=0.06)


@pytest.mark.parametrize(
    ("given", "brought", "expected"),
    [
        pytest.param("", {""}, SHARES, id="nothing-brought"),
        pytest.param("", {"", "train", "test"}, SHARES, id="not-placed-beside-placed-ones"),
        pytest.param("test", {"train", "test"}, {"train": 0, "val": 0, "test": 1}, id="own-test"),
        pytest.param(LEARN, {"", LEARN}, {"train": 1, "val": 0, "test": 0}, id="to-learn-from"),
        pytest.param("val", {"train", "val"}, {"train": 0, "val": 1, "test": 0}, id="own-val"),
        pytest.param(
            "train",
            {"train", "test"},
            {"train": 0.7 / 0.85, "val": 0.15 / 0.85, "test": 0},
            id="val-is-cut-from-train",
        ),
        pytest.param(
            "train",
            {"train", "val"},
            {"train": 0.7 / 0.85, "val": 0, "test": 0.15 / 0.85},
            id="test-is-cut-from-train",
        ),
        pytest.param(
            "train", {"train", "val", "test"}, {"train": 1, "val": 0, "test": 0}, id="all-three-are-kept"
        ),
        pytest.param("train", {"train"}, SHARES, id="only-train-brought"),
    ],
)
def test_what_the_source_brings_stays(given: str, brought: set[str], expected: dict[str, float]) -> None:
    assert compute_chances(given, brought, SHARES) == pytest.approx(expected)
    placed = sorted(brought - {given})
    parts = deal_ids(make_ids(4_000 + len(placed)), [given] * 4_000 + placed).iloc[:4_000]
    for name, share in expected.items():
        assert (parts == name).mean() == pytest.approx(share, abs=0.025 if 0 < share < 1 else 0)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param(["train", "test"], "test", id="test-over-train"),
        pytest.param(["test", "val"], "test", id="test-over-val"),
        pytest.param(["train", "val"], "val", id="val-over-train"),
        pytest.param(["", "train", "test"], "test", id="test-over-all"),
    ],
)
def test_a_group_stays_together(members: list[str], expected: str) -> None:
    lone, lone_splits = make_ids(3), ["train", "val", "test"]
    parts = deal_ids(["twins"] * len(members) + lone, members + lone_splits)
    assert set(parts[: len(members)]) == {expected}


def test_unlikely_shares_are_told() -> None:
    """Members of a group fall together, so that a class of few large groups may be far off."""
    ids = make_ids(2_000)
    placed = pd.DataFrame({"id": ids, "group": ids, "class_index": np.arange(2_000) % 2, "source_split": ""})
    parts = deal_ids(ids)
    counts = pd.crosstab(placed["class_index"], parts)[["train", "val", "test"]]
    counts = counts.set_axis(["a", "b"])
    assert find_unlikely_shares(placed, counts, SHARES) == []
    counts.loc["a"] += np.array([-80, 80, 0])
    n = counts.loc["a"]
    expected = [
        f"class 'a' has {n['train']:,} pictures in train, 700 were expected",
        f"class 'a' has {n['val']:,} pictures in val, 150 were expected",
    ]
    assert find_unlikely_shares(placed, counts, SHARES) == expected
    grouped = placed.assign(group=[f"g{i // 100}" for i in range(2_000)])
    assert find_unlikely_shares(grouped, counts, SHARES) == []


@pytest.mark.parametrize(
    ("parts", "what"), [(["train", "test", "train"], "split"), ([0, 3, 1], "fold")], ids=["split", "fold"]
)
def test_a_leak_is_refused(parts: list[Any], what: str) -> None:
    groups = pd.Series(["a", "a", "b"], dtype="str")
    check_no_leak(groups, pd.Series(parts[:1] * 2 + parts[2:]), what)
    with pytest.raises(DataError, match=f"1 groups of pictures lie in more than one {what}, first 'a'"):
        check_no_leak(groups, pd.Series(parts), what)


def deal_ids_exactly(
    groups: list[str], classes: list[int], given: list[str] | None = None
) -> "pd.Series[str]":
    return deal_exactly(
        pd.Series(groups, dtype="str"),
        pd.Series(given or [""] * len(groups), dtype="str"),
        classes=np.array(classes, dtype=np.int32),
        brought=set(given or [""]),
        shares=SHARES,
        seed=0,
    )


def test_exact_shares_are_within_one_picture_a_class() -> None:
    classes = [0] * 1_000 + [1] * 130 + [2] * 7
    parts = deal_ids_exactly(make_ids(len(classes)), classes)
    counts = pd.crosstab(np.array(classes), parts)
    for name, share in SHARES.items():
        assert (counts[name] - share * np.bincount(classes)).abs().max() < 1


def test_exact_shares_hold_groups_of_all_sizes_and_classes_whole() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{i}" for i in range(200) for _ in range(rng.integers(1, 12))] + make_ids(400)
    classes = rng.integers(0, 3, len(groups)).tolist()
    parts = deal_ids_exactly(groups, classes)
    check_no_leak(pd.Series(groups, dtype="str"), parts, "split")
    counts = pd.crosstab(np.array(classes), parts, normalize="index")
    for name, share in SHARES.items():
        assert (counts[name] - share).abs().max() < 0.01
    order = rng.permutation(len(groups))
    shuffled = deal_ids_exactly([groups[i] for i in order], [classes[i] for i in order])
    assert (shuffled.to_numpy() == parts.to_numpy()[order]).all()


def test_exact_shares_leave_what_the_source_brings() -> None:
    groups, given = make_ids(300), ["test"] * 50 + ["train"] * 250
    groups[0] = groups[60] = "twins"
    parts = deal_ids_exactly(groups, [0] * 300, given)
    assert set(parts[:50]) == {"test"}
    assert parts[60] == "test"
    assert (parts == "val").sum() == pytest.approx(250 * 0.15 / 0.85, abs=1)


@pytest.mark.parametrize("exact_below", [0, 1000])
def test_pictures_to_learn_from_are_in_train_and_move_nothing_out_of_the_test_set(exact_below: int) -> None:
    """A hundred of them join 300; every fourth is a near-duplicate of one of these."""
    ids, new = make_ids(300), make_ids(100, start=5_000)
    groups = [ids[i] if i % 4 == 0 else group for i, group in enumerate(new)]
    how: dict[str, Any] = {"exact_below": exact_below, "shares": SHARES, "seed": 0}

    def divide_all(groups: list[str], given: list[str]) -> list[str]:
        series = (pd.Series(values, dtype="str") for values in (groups, given))
        return list(divide(*series, classes=np.zeros(len(groups), np.int32), **how))

    before = divide_all(ids, [""] * 300)
    after = divide_all(ids + groups, [""] * 300 + [LEARN] * 100)
    of_group = dict(zip(ids, after[:300], strict=True))
    assert after[300:] == [of_group.get(group, "train") for group in groups]
    assert "test" in after[300::4], "their near-duplicates are tested as before"
    n_moved = sum(one != other for one, other in zip(before, after, strict=False))
    assert n_moved <= (30 if exact_below else 0)
    counts = [after[:300].count(name) for name in SHARES]
    assert not exact_below or counts == pytest.approx([210, 45, 45], abs=1)


def test_groups_of_pictures_to_learn_from_alone_are_in_train() -> None:
    """Twenty groups of three beside forty single pictures."""
    groups = [f"new{i // 3}" for i in range(60)] + make_ids(40)
    given = pd.Series([LEARN] * 60 + [""] * 40, dtype="str")
    parts = divide(
        pd.Series(groups, dtype="str"),
        given,
        classes=np.zeros(100, np.int32),
        exact_below=1000,
        shares=SHARES,
        seed=0,
    )
    assert set(parts[:60]) == {"train"}
    assert parts[60:].value_counts().to_dict() == {"train": 28, "val": 6, "test": 6}


def test_only_groups_with_a_picture_of_a_small_class_are_dealt_exactly() -> None:
    """What the source brings counts as a whole, although the small class alone has no test set of its own."""
    ids = make_ids(700)
    groups, classes = pd.Series(ids, dtype="str"), np.array([0] * 600 + [1] * 100, dtype=np.int32)
    groups[0] = groups[600]  # a group of both classes
    given = pd.Series(["test"] * 50 + [""] * 650, dtype="str")

    def place(exact_below: int) -> "pd.Series[str]":
        return divide(groups, given, classes=classes, exact_below=exact_below, shares=SHARES, seed=0)

    by_hash, mixed = place(0), place(500)
    pd.testing.assert_series_equal(by_hash, deal(groups, given, shares=SHARES, seed=0))
    pd.testing.assert_series_equal(mixed.iloc[1:600], by_hash.iloc[1:600])
    check_no_leak(groups, mixed, "split")
    assert mixed[600] == "test"
    assert mixed[600:].value_counts().to_dict() == {"train": 70, "val": 15, "test": 15}
    pd.testing.assert_series_equal(place(501), mixed)
