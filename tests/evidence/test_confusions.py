"""Confused classes: which pairs, how sure, whether one-sided, and what their pictures share."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.evidence.confusions import Answers, Confusion, find_confusions, find_shared
from pipeline.evidence.slices import Fact


def answer(cells: Sequence[tuple[int, int, int]], *, size: int = 1) -> Answers:
    """Cells of (true, answered, how many pictures), each picture `size` times, as near-duplicates."""
    true, pred = (
        np.concatenate([np.full(n, cell[i], np.int64) for *cell, n in cells]).repeat(size) for i in (0, 1)
    )
    return Answers(true, pred, np.arange(len(true)) // size)


def find(answers: Answers, **how: int) -> list[Confusion]:
    return find_confusions(answers, confidence=0.95, **how)


def test_pairs_by_their_pictures() -> None:
    found = find(answer([(0, 0, 80), (0, 1, 20), (1, 1, 95), (1, 0, 5), (2, 2, 90), (2, 0, 10), (0, 2, 1)]))
    assert [(one.actual, one.taken, one.n, one.n_actual, one.n_back, one.n_taken) for one in found] == [
        (0, 1, 20, 101, 5, 100),
        (2, 0, 10, 100, 1, 101),
    ], "a pair stands once, in its more frequent direction"
    assert found[0].share.value == pytest.approx(20 / 101)
    assert found[0].share.low < 20 / 101 < found[0].share.high
    assert len(find(answer([(0, 1, 5), (1, 2, 4), (2, 0, 3)]), n=2)) == 2


def test_a_confusion_is_one_sided_or_not() -> None:
    one_sided, alike = (
        find(answer([(0, 0, 70), (0, 1, 30), (1, 1, 100 - back), (1, 0, back)]))[0] for back in (2, 24)
    )
    assert one_sided.p_one_sided < 0.001
    assert alike.p_one_sided > 0.2


def test_of_many_pairs_the_most_one_sided_is_one_by_luck() -> None:
    """Six of ten against none has p = 0.01 alone, and there are ten such pairs."""
    alone = [(0, 0, 4), (0, 1, 6), (1, 1, 10)]
    assert find(answer(alone))[0].p_one_sided < 0.05
    many = [(2 * i + a, 2 * i + b, n) for i in range(10) for a, b, n in alone]
    assert find(answer(many))[0].p_one_sided > 0.05


def test_near_duplicates_count_once() -> None:
    cells = [(0, 0, 7), (0, 1, 3), (1, 1, 10)]
    apart, together = (find(answer(cells, size=size))[0] for size in (1, 10))
    assert together.n == 10 * apart.n
    assert together.p_one_sided == apart.p_one_sided
    assert together.share.high >= apart.share.high


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([(0, 0, 1)], id="one picture, right"),
        pytest.param([(0, 1, 1)], id="one picture, wrong"),
        pytest.param([(0, 0, 9), (1, 1, 9)], id="no mistake"),
        pytest.param([(0, 1, 1), (1, 2, 1), (2, 0, 1)], id="no pair twice"),
    ],
)
def test_no_pattern(cells: list[tuple[int, int, int]]) -> None:
    assert find(answer(cells)) == []


def test_a_class_that_has_no_picture_is_not_compared() -> None:
    (one,) = find(answer([(0, 1, 5), (0, 0, 5)]))
    assert (one.n_taken, np.isnan(one.p_one_sided)) == (0, True)


CELLS = [(0, 0, 80), (0, 1, 20), (1, 1, 100)]


def name_shared(
    facts: list[Fact], cells: list[tuple[int, int, int]] = CELLS
) -> list[tuple[str, str, int, int]]:
    answers = answer(cells)
    (one, *_) = find_shared(find(answers), facts, answers, confidence=0.95)
    return [(fact.fact, fact.value, fact.n_confused, fact.n_rest) for fact in one.shared]


def words(n_confused: int, n_rest: int) -> Fact:
    """A fact that so many of the 20 confused, so many of the rest of class 0, and all of class 1 have."""
    values = ["PNG"] * n_rest + ["JPEG"] * (80 - n_rest) + ["PNG"] * n_confused + ["JPEG"] * (20 - n_confused)
    return Fact("format", np.array(values + ["PNG"] * 100, dtype=object))


def test_what_the_confused_pictures_have_and_others_of_their_class_have_not() -> None:
    assert name_shared([words(18, 8)]) == [("format", "PNG", 18, 8)]
    sharpness = np.concatenate([np.linspace(5, 9, 80), np.linspace(1, 3, 20), np.linspace(1, 9, 100)])
    ((fact, value, n_confused, n_rest),) = name_shared([Fact("sharpness", sharpness)])
    assert (fact, n_confused) == ("sharpness", 20)
    assert value.startswith("under")
    assert n_rest < 10


def test_what_a_class_is_like_is_not_shared() -> None:
    """All of class 1 are PNG, and class 0 has as many among the confused as among the others."""
    assert name_shared([words(5, 20)]) == []
    assert name_shared([words(20, 80)]) == [], "all are alike"


def test_of_many_facts_one_is_shared_by_luck() -> None:
    borderline = words(9, 16)
    assert name_shared([borderline])
    assert name_shared([borderline] * 12) == []


def test_at_most_two_facts_the_surest_first() -> None:
    found = name_shared([words(14, 16), words(20, 4), words(18, 8)])
    assert [one[2] for one in found] == [20, 18]


def test_luck_is_rarely_told() -> None:
    """A model whose errors fall anywhere, and facts that have nothing to do with them: 100 times."""
    n_one_sided = n_shared = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        true = rng.integers(0, 5, 600)
        pred = np.where(rng.random(600) < 0.7, true, rng.integers(0, 5, 600))
        answers = Answers(true, pred, np.arange(600))
        facts = [Fact(str(number), rng.random(600)) for number in range(4)]
        found = find_shared(find(answers), facts, answers, confidence=0.95)
        n_one_sided += any(one.p_one_sided < 0.05 for one in found)
        n_shared += any(one.shared for one in found)
    assert n_one_sided <= 8
    assert n_shared <= 8
