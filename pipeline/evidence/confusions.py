"""Which classes are taken for which, whether both ways alike, and what the confused pictures share.

What is shared is looked for among the pictures of one class alone: those taken for the other class against
the rest. So a fact that is common in the class says nothing. The facts are cut and tested as slices are
(`evidence.slices`), and Holm (1979) adjusts over all slices of all pairs.

Whether a confusion is one-sided has the exact test of Fisher (1935). The pairs that are told are those with
most pictures, which one-sided ones have more easily. So this p value is multiplied by the number of pairs.
Both tests count groups of near-duplicates once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.several_tests import adjust_holm
from pipeline.evidence.slices import Fact, Judged, Slice, find_slices

MIN_CONFUSED = 2  # pictures of a pair; one alone is no pattern
_N_SHARED = 2  # facts that are told of a pair

Ints = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]


class Answers(NamedTuple):
    """Of the test pictures: their classes, the classes answered, and groups of near-duplicates, each [n]."""

    y_true: Ints
    y_pred: Ints
    groups: Ints


@dataclass(frozen=True)
class Shared:
    """A fact that confused pictures have more often than the rest of their class.

    Attributes:
        fact, value: such as "shorter side" and "under 40 px".
        n_confused, n_rest: how many pictures of either have it.
        adjusted: how often chance alone does as much, for any fact of any pair.
    """

    fact: str
    value: str
    n_confused: int
    n_rest: int
    adjusted: float


@dataclass(frozen=True)
class Confusion:
    """Test pictures of one class that were taken for another.

    Attributes:
        actual, taken: the two classes.
        n, n_actual: those pictures, and all of their class.
        share: of that class, with its interval.
        n_back, n_taken: the other way round.
        p_one_sided: how often luck alone makes the shares of the two ways as unlike, in any pair; nan where
            the other class has no test picture.
        shared: what the pictures share, at most two facts, the surest first.
    """

    actual: int
    taken: int
    n: int
    n_actual: int
    share: Interval
    n_back: int
    n_taken: int
    p_one_sided: float
    shared: tuple[Shared, ...] = ()


def find_confusions(answers: Answers, *, confidence: float, n: int = 3) -> list[Confusion]:
    """Up to `n` pairs with most confused pictures; a pair stands once, in its more frequent direction."""
    is_wrong = answers.y_true != answers.y_pred
    wrong = np.stack([answers.y_true[is_wrong], answers.y_pred[is_wrong]])
    pairs, counts = np.unique(wrong, axis=1, return_counts=True)
    chosen: list[tuple[int, int]] = []
    for i in np.argsort(-counts, kind="stable"):
        actual, taken = int(pairs[0, i]), int(pairs[1, i])
        if counts[i] < MIN_CONFUSED or len(chosen) == n:
            break
        if (taken, actual) not in chosen:
            chosen.append((actual, taken))
    n_pairs = np.unique(np.sort(pairs, axis=0), axis=1).shape[1]
    found = (_measure(*pair, answers, confidence) for pair in chosen)
    return [replace(one, p_one_sided=float(np.minimum(1, n_pairs * one.p_one_sided))) for one in found]


def find_shared(
    confusions: Sequence[Confusion], facts: Sequence[Fact], answers: Answers, *, confidence: float
) -> list[Confusion]:
    """The same confusions, with what their pictures share."""
    slices = [_slice(one, facts, answers, confidence) for one in confusions]
    adjusted = iter(adjust_holm([one.p for several in slices for one in several]))
    found = []
    for confusion, several in zip(confusions, slices, strict=True):
        judged = [_count(one, confusion, next(adjusted)) for one in several]
        sure = [one for one in judged if one.adjusted < 1 - confidence]
        found.append(replace(confusion, shared=tuple(sorted(sure, key=_get_p)[:_N_SHARED])))
    return found


def _measure(actual: int, taken: int, answers: Answers, confidence: float) -> Confusion:
    y_true, y_pred, groups = answers
    mine, theirs = y_true == actual, y_true == taken
    there, back = y_pred[mine] == taken, y_pred[theirs] == actual
    return Confusion(
        *(actual, taken, int(there.sum()), len(there)),
        share=bound_share(there.astype(np.float64), groups[mine], confidence=confidence),
        n_back=int(back.sum()),
        n_taken=len(back),
        p_one_sided=_compare(_keep_first(there, groups[mine]), _keep_first(back, groups[theirs])),
    )


def _keep_first(values: Bools, groups: Ints) -> Bools:
    """The value of the first picture of each group."""
    return values[np.unique(groups, return_index=True)[1]]


def _compare(there: Bools, back: Bools) -> float:
    from scipy.stats import fisher_exact

    if not len(back):
        return np.nan
    table = [[int(one.sum()), int((~one).sum())] for one in (there, back)]
    return float(fisher_exact(table).pvalue)


def _slice(confusion: Confusion, facts: Sequence[Fact], answers: Answers, confidence: float) -> list[Slice]:
    """Slices of one class, in which being taken for the other class is what is wrong."""
    mine = np.flatnonzero(answers.y_true == confusion.actual)
    cut = [Fact(fact.name, fact.values[mine], fact.unit, fact.unknown) for fact in facts]
    is_confused = answers.y_pred[mine] == confusion.taken
    judged = Judged(np.zeros(len(mine), np.int64), ~is_confused, answers.groups[mine], [""])
    return find_slices(cut, judged, confidence=confidence)


def _count(one: Slice, confusion: Confusion, adjusted: float) -> Shared:
    n_confused = one.n - round(one.n * one.accuracy.value)
    return Shared(one.fact, one.value, n_confused, one.n - n_confused, adjusted)


def _get_p(one: Shared) -> float:
    return one.adjusted
