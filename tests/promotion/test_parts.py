"""No class and no slice left behind."""

import numpy as np
import pytest

from pipeline.evidence.paired_groups import Pair
from pipeline.evidence.slices import Fact
from pipeline.promotion.parts import compare_parts, find_losses

Y = np.repeat([0, 1, 2], [60, 300, 15])
NAMES = ("Photo", "Text", "rare")


def make_pair(*, lost: range, won: range = range(0), groups: object = None) -> Pair:
    """375 pictures: the challenger is wrong where it lost, the champion where it won."""
    place = np.arange(len(Y))
    first, second = (np.where(np.isin(place, list(wrong)), (Y + 1) % 3, Y) for wrong in (lost, won))
    return Pair(Y, first, second, place if groups is None else np.asarray(groups), 3)


def test_a_class_that_loses_is_named() -> None:
    parts = compare_parts(make_pair(lost=range(12), won=range(60, 160)), NAMES, ())
    assert [(one.name, one.n, one.won, one.lost) for one in parts] == [
        ("class 'Photo'", 60, 0, 12),
        ("class 'Text'", 300, 100, 0),
    ]
    (loss,) = find_losses(parts, 0.05)
    assert loss.p == pytest.approx(0.5**12)
    assert loss.adjusted == pytest.approx(2 * 0.5**12)
    assert loss.describe() == "class 'Photo' (of 60, 12 lost and 0 won, p 0.00049)"


def test_a_small_part_and_a_small_loss_are_luck() -> None:
    assert find_losses(compare_parts(make_pair(lost=range(360, 375)), NAMES, ()), 0.05) == []
    assert find_losses(compare_parts(make_pair(lost=range(4)), NAMES, ()), 0.05) == []


def test_a_slice_that_loses_is_named() -> None:
    """Every fourth picture is a TIFF; they lose, all others win. No class loses by it."""
    place = np.arange(len(Y))
    tiff = place % 4 == 0
    first = np.where(tiff & (place < 300), (Y + 1) % 3, Y)
    second = np.where(~tiff, (Y + 1) % 3, Y)
    fact = Fact("format", np.where(tiff, "TIFF", "PNG").astype(object))
    losses = find_losses(compare_parts(Pair(Y, first, second, place, 3), NAMES, [fact]), 0.05)
    assert [one.name for one in losses] == ["format 'TIFF'"]


def test_parts_are_adjusted_together() -> None:
    """Five lost of five is p 0.03: enough alone, and not beside others."""
    pair = make_pair(lost=range(5))
    facts = [Fact(f"fact {n}", np.array((["a", "b"] * 188)[:375], dtype=object)) for n in range(3)]
    assert compare_parts(pair, NAMES, ())[0].adjusted == pytest.approx(2 * 0.5**5)
    assert compare_parts(pair, NAMES, facts)[0].adjusted > 0.2


def test_near_duplicates_count_once() -> None:
    groups = np.r_[np.repeat(np.arange(6), 10), 100 + np.arange(315)]
    parts = compare_parts(make_pair(lost=range(60), groups=groups), NAMES, ())
    assert [one.name for one in parts] == ["class 'Text'"], "six groups are too few to be a part"
