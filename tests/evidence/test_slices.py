"""Slices: cut where people can read it, compared within classes, called worse where luck does not do it."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from pipeline.evidence.slices import (
    OTHERS,
    UNKNOWN,
    Fact,
    Judged,
    Slice,
    _count_strata,
    _test,
    choose_worst,
    find_slices,
)


def find(fact: Fact, y: Any = None, is_right: Any = None, groups: Any = None) -> list[Slice]:
    """Its slices; by default of one class, all right, each picture a group."""
    n = len(fact.values)
    judged = Judged(
        np.zeros(n, int) if y is None else np.array(y),
        np.ones(n, bool) if is_right is None else np.array(is_right),
        np.arange(n) if groups is None else np.array(groups),
        ["a", "b", "c"],
    )
    return find_slices([fact], judged, confidence=0.95)


def words(*values: str | None) -> Any:
    return np.array(values, dtype=object)


def test_numbers_are_cut_at_bounds_that_can_be_read() -> None:
    sides = np.r_[
        np.linspace(301, 398, 50), np.linspace(590, 660, 50), np.full(50, 1000.0), np.full(50, 4032.0)
    ]
    found = find(Fact("shorter side", sides, " px"))
    assert [one.value for one in found] == [
        *("under 600 px", "600 to 1,000 px", "1,000 to 4,000 px", "4,000 px and more")
    ]
    assert [one.n for one in found] == [57, 43, 50, 50]


@pytest.mark.parametrize(
    ("values", "n_slices"),
    [
        pytest.param(np.full(100, 5.0), 0, id="all equal"),
        pytest.param(np.arange(19.0), 0, id="too few to cut"),
        pytest.param(np.arange(20.0), 2, id="enough for two"),
        pytest.param(np.arange(1000.0), 4, id="at most four"),
        pytest.param(np.r_[np.zeros(95), np.ones(5)], 0, id="all but a few equal"),
        pytest.param(np.r_[np.full(90, 75.0), np.full(10, 90.0)], 2, id="most equal, the rest greater"),
        pytest.param(np.r_[np.full(10, 60.0), np.full(90, 75.0)], 2, id="most equal, the rest smaller"),
        pytest.param(
            np.r_[np.full(10, 60.0), np.full(80, 75.0), np.full(10, 90.0)], 3, id="most equal, in the middle"
        ),
        pytest.param(np.full(30, np.nan), 0, id="never known"),
        pytest.param(np.r_[np.full(50, 5.0), np.full(2, np.nan)], 2, id="sometimes not known"),
        pytest.param(np.zeros(0), 0, id="no picture"),
    ],
)
def test_how_many_slices_numbers_make(values: Any, n_slices: int) -> None:
    found = find(Fact("brightness", values))
    assert len(found) == n_slices
    assert not found or sum(one.n for one in found) == len(values)
    assert all(one.n >= 10 for one in found if one.value != UNKNOWN)


def test_every_number_is_in_one_slice() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = np.round(
            rng.lognormal(rng.normal(), rng.random() * 3, rng.integers(1, 300)), rng.integers(0, 4)
        )
        values[rng.random(len(values)) < 0.1] = np.nan
        found = find(Fact("x", values))
        assert not found or sum(one.n for one in found) == len(values)
        assert len({one.value for one in found}) == len(found)


def test_words_that_are_rare_are_joined_and_what_no_test_picture_has_is_missing() -> None:
    values = words(*["JPEG"] * 30, *["PNG"] * 12, *["TIFF"] * 9, "BMP", None)
    found = find(Fact("format", values, elsewhere={"JPEG": 99, "WEBP": 50, "GIF": 2}))
    counts = {one.value: one.n for one in found}
    assert counts == {"JPEG": 30, "PNG": 12, OTHERS: 10, UNKNOWN: 1, "WEBP": 0}
    missing = found[-1]
    assert np.isnan([*missing.accuracy, missing.rest, missing.p, missing.adjusted]).all()
    assert find(Fact("format", words(*["PNG"] * 40))) == []


@pytest.mark.parametrize("n_wrong_inside", [0, 3, 8])
def test_one_class_as_fisher(n_wrong_inside: int) -> None:
    from scipy.stats import fisher_exact

    is_right = np.ones(60, bool)
    is_right[:n_wrong_inside] = is_right[40:44] = False
    inside, _ = find(Fact("format", words(*["PNG"] * 20, *["JPEG"] * 40)), is_right=is_right)[::-1]
    table = [[n_wrong_inside, 20 - n_wrong_inside], [4, 36]]
    assert inside.value == "PNG"
    assert inside.p == pytest.approx(fisher_exact(table, alternative="greater").pvalue)


def test_strata_as_dealing_the_wrong_ones_within_each_class() -> None:
    y = np.array([0, 0, 0, 0, 1, 1, 1])
    chosen = np.array([True, True, False, False, True, False, False])
    is_right = np.array([False, True, True, False, False, True, True])
    judged = Judged(y, is_right, np.arange(7), ["a", "b"])
    seen = (chosen & ~is_right).sum()
    dealt = [
        (chosen[:4] & ~np.array(first)).sum() + (chosen[4:] & ~np.array(second)).sum() >= seen
        for first in permutations(is_right[:4])
        for second in permutations(is_right[4:])
    ]
    assert _test(*_count_strata(chosen, judged)) == pytest.approx(np.mean(dealt))


def test_a_slice_that_coincides_with_a_class_is_not_called_bad() -> None:
    """All pictures of class a are PNG, and half of them are wrong: that is the class's own fault."""
    y, is_right = np.repeat([0, 1], 100), np.r_[np.arange(100) % 2 == 0, np.ones(100, bool)]
    found = find(Fact("format", words(*["PNG"] * 100, *["JPEG"] * 100)), y, is_right)
    png = next(one for one in found if one.value == "PNG")
    assert (png.p, png.only_class) == (1, "a")
    assert np.isnan(png.rest)
    assert choose_worst(found, confidence=0.95) == []


def test_a_bad_slice_is_found_within_classes() -> None:
    rng = np.random.default_rng(0)
    y, is_dark = rng.integers(0, 3, 600), rng.random(600) < 0.25
    is_right = rng.random(600) < np.where(is_dark, 0.7, 0.95)
    brightness = np.where(is_dark, rng.uniform(0, 0.2, 600), rng.uniform(0.2, 1, 600))
    found = find(Fact("brightness", brightness), y, is_right)
    (worst,) = choose_worst(found, confidence=0.95)
    assert worst.value == "under 0.2"
    assert worst.accuracy.value < 0.8 < worst.rest
    assert worst.adjusted == pytest.approx(len(found) * worst.p)
    assert not is_right[list(worst.mistakes)].any()
    assert 0 < len(worst.mistakes) <= 6


def test_the_rest_is_weighted_as_the_slice_and_few_others_do_not_count() -> None:
    """Inside 30 a, 10 b and 20 c. Outside 20 a (half right), 20 b (all right), and 2 c (wrong)."""
    y = np.repeat([0, 1, 2, 0, 1, 2], [30, 10, 20, 20, 20, 2])
    is_right = np.r_[np.ones(60, bool), np.arange(20) % 2 == 0, np.ones(20, bool), np.zeros(2, bool)]
    found = find(Fact("format", words(*["PNG"] * 60, *["JPEG"] * 42)), y, is_right)
    assert [one.rest for one in found if one.value == "PNG"] == [(30 * 0.5 + 10 * 1) / 40]
    only = find(Fact("format", words(*["PNG"] * 20, *["JPEG"] * 2)), np.zeros(22, int), np.arange(22) < 21)
    assert [one.rest for one in only if one.value == "PNG"] == [0.5], "there are no others"


def test_luck_is_seldom_called_bad() -> None:
    """Of 200 models that know no slices, at most 5 % have a slice that is called worse."""
    rng, n_called = np.random.default_rng(0), 0
    for _ in range(200):
        facts = [Fact(name, rng.random(300)) for name in "abcd"]
        groups = np.arange(300) // 2
        is_right = (rng.random(150) < 0.8)[groups]
        for fact in facts:
            fact.values[1::2] = fact.values[::2]  # near-duplicates look alike
        judged = Judged(rng.integers(0, 3, 150)[groups], is_right, groups, ["a", "b", "c"])
        n_called += bool(choose_worst(find_slices(facts, judged, confidence=0.95), confidence=0.95))
    assert n_called <= 0.05 * 200


def test_copies_do_not_make_a_slice_bad() -> None:
    """One wrong picture in forty copies is one error."""
    values = words(*["PNG"] * 80, *["JPEG"] * 80)
    is_right = np.r_[np.zeros(40, bool), np.ones(120, bool)]
    apart = find(Fact("format", values), is_right=is_right)
    assert choose_worst(apart, confidence=0.95)
    together = find(
        Fact("format", values), is_right=is_right, groups=np.r_[np.zeros(40), np.arange(1, 121)].astype(int)
    )
    assert choose_worst(together, confidence=0.95) == []
