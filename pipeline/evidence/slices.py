"""Slices of the test pictures by facts that are not their class, and which of them are answered worse.

Numbers are cut at about their quartiles, at bounds that can be read. Each word is a slice of its own. Each
slice is compared with the rest *of the same classes*: a slice that holds one class only would otherwise be
called bad for what is hard about its class.

The test is exact and counts groups of near-duplicates: given how many groups of each class are wrong, it is
the probability that the slice holds as many of them by chance (Fisher 1935, over strata by Mantel and
Haenszel 1959, as a convolution of hypergeometric distributions). Holm (1979) adjusts it over all slices.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.several_tests import adjust_holm

Ints = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

MIN_PICTURES = 10  # of a slice; fewer of one value are joined with others
_MAX_BINS = 4  # of a number
_MAX_NAMED = 12  # values of a word; the rarest others are joined
_MAX_MISTAKES = 6  # examples of a slice
OTHERS, UNKNOWN = "others", "not known"


@dataclass(frozen=True)
class Judged:
    """What was answered on the test pictures.

    Attributes:
        y_true, is_right: the class of each, and whether it was answered right [n].
        groups: the number of each one's group of near-duplicates [n].
    """

    y_true: Ints
    is_right: Bools
    groups: Ints
    class_names: Sequence[str]


@dataclass(frozen=True)
class Fact:
    """One fact of all test pictures.

    Attributes:
        name: in words, such as "longer side".
        unit: of a number, such as " px"; "" for none.
        values: of each test picture [n]: numbers with nan, or words with None, where it is not known.
        unknown: what pictures are called for which it is not known.
        elsewhere: how many other pictures of the collection have each word. What no test picture has is then
            shown as missing.
    """

    name: str
    values: npt.NDArray[Any]
    unit: str = ""
    unknown: str = UNKNOWN
    elsewhere: Mapping[str, int] | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is cut into ranges."""
        return self.values.dtype.kind == "f"


@dataclass(frozen=True)
class Slice:
    """Test pictures that share a fact.

    Attributes:
        n: its pictures; 0: it has none in the test set, and the scores are nan.
        accuracy: with its interval.
        rest: the accuracy of the other pictures, weighted by class as this slice is; nan: its classes have
            none.
        p, adjusted: how often chance alone makes it as bad as it is, and the same adjusted over all slices.
        mistakes: positions of wrong answers in it.
        only_class: the class that it is made of; "" where there are several.
    """

    fact: str
    value: str
    n: int
    n_groups: int
    accuracy: Interval
    rest: float
    p: float
    mistakes: tuple[int, ...]
    only_class: str = ""
    adjusted: float = np.nan


def find_slices(facts: Sequence[Fact], judged: Judged, *, confidence: float) -> list[Slice]:
    """All slices, fact by fact; a fact in which test pictures do not differ makes none."""
    found = [
        _measure(fact.name, value, chosen, judged, confidence)
        for fact in facts
        for value, chosen in cut_fact(fact)
    ]
    adjusted = adjust_holm([one.p for one in found])
    return [replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def choose_worst(slices: Sequence[Slice], *, confidence: float, n: int = 3) -> list[Slice]:
    """Up to `n` slices that are significantly worse than the rest, those that lose most first."""
    bad = [one for one in slices if one.adjusted < 1 - confidence]
    return sorted(bad, key=lambda one: one.accuracy.value - one.rest)[:n]


def cut_fact(fact: Fact) -> Iterator[tuple[str, Bools]]:
    """The slices of a fact: their names, and which pictures are in each [n]; nothing where there is one."""
    cut = list(_cut_number(fact) if fact.is_number else _cut_words(fact))
    if sum(bool(chosen.any()) for _, chosen in cut) > 1:
        yield from cut


def _cut_number(fact: Fact) -> Iterator[tuple[str, Bools]]:
    known = ~np.isnan(fact.values)
    values = np.sort(fact.values[known])
    if len(values):
        bounds = _choose_bounds(values)
        place = np.searchsorted(bounds, fact.values, side="right")
        for number in range(len(bounds) + 1):
            yield _name_range(bounds, number, fact.unit), known & (place == number)
    if not known.all():
        yield fact.unknown, ~known


def _choose_bounds(values: Float64) -> list[float]:
    """At most three bounds that cut sorted numbers into about equal parts of at least MIN_PICTURES."""
    n_bins = min(_MAX_BINS, len(values) // MIN_PICTURES)
    bounds: list[float] = []
    start = 0
    for number in range(1, n_bins):
        at = len(values) * number // n_bins
        bound = _round_between(values, at)
        end = int(np.searchsorted(values, bound))
        if end - start < MIN_PICTURES:  # equal numbers from here on: cut behind them
            end = int(np.searchsorted(values, bound, side="right"))
            bound = _round_between(values, end) if end < len(values) else bound
            end = int(np.searchsorted(values, bound))
        if end - start >= MIN_PICTURES and len(values) - end >= MIN_PICTURES:
            bounds.append(bound)
            start = end
    return bounds


def _round_between(values: Float64, at: int) -> float:
    """The number with the fewest digits near place `at`, within a sixteenth of all places to either side.

    Where all of these are equal it is their own value, so that equal numbers stay together.
    """
    reach = max(1, len(values) // 16)
    low, middle, high = (float(values[i]) for i in (max(0, at - reach), at, min(len(values) - 1, at + reach)))
    for digits in range(1, 7):
        rounded = float(f"{middle:.{digits}g}")
        if low < rounded <= high:
            return rounded
    return middle


def _name_range(bounds: Sequence[float], number: int, unit: str) -> str:
    if not bounds:
        return "all"
    low, high = (
        _show_number(one) for one in (bounds[max(0, number - 1)], bounds[min(number, len(bounds) - 1)])
    )
    if number == 0:
        return f"under {high}{unit}"
    return f"{low}{unit} and more" if number == len(bounds) else f"{low} to {high}{unit}"


def _show_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def _cut_words(fact: Fact) -> Iterator[tuple[str, Bools]]:
    """The commonest words; the others together; words that only other pictures of the collection have."""
    counts = Counter(value for value in fact.values if value is not None)
    common = [
        value
        for value, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_NAMED]
        if n >= MIN_PICTURES
    ]
    for value in sorted(common):
        yield str(value), np.array([one == value for one in fact.values], bool)
    is_known = np.array([one is not None for one in fact.values], bool)
    others = is_known & np.array([one not in common for one in fact.values], bool)
    if others.any():
        yield OTHERS, others
    if not is_known.all():
        yield fact.unknown, ~is_known
    elsewhere = fact.elsewhere or {}
    missing = [value for value, n in elsewhere.items() if n >= MIN_PICTURES and value not in counts]
    for value in sorted(missing, key=lambda value: (-elsewhere[value], value))[:_MAX_NAMED]:
        yield str(value), np.zeros(len(fact.values), bool)


def _measure(fact: str, value: str, chosen: Bools, judged: Judged, confidence: float) -> Slice:
    if not chosen.any():
        nothing = Interval(np.nan, np.nan, np.nan)
        return Slice(fact, value, 0, 0, nothing, np.nan, np.nan, ())
    right, groups = judged.is_right[chosen].astype(np.float64), judged.groups[chosen]
    classes = np.unique(judged.y_true[chosen])
    return Slice(
        *(fact, value, len(right), len(np.unique(groups)), bound_share(right, groups, confidence=confidence)),
        rest=_score_rest(chosen, judged),
        p=_test(*_count_strata(chosen, judged)),
        mistakes=tuple(int(i) for i in np.flatnonzero(chosen & ~judged.is_right)[:_MAX_MISTAKES]),
        only_class=judged.class_names[classes[0]] if len(classes) == 1 else "",
    )


def _score_rest(chosen: Bools, judged: Judged) -> float:
    """The accuracy outside, weighted by class as inside.

    Classes with few pictures outside say little, and are left out where there are others.
    """
    y_true, k = judged.y_true, len(judged.class_names)
    inside = np.bincount(y_true[chosen], minlength=k)
    outside = np.bincount(y_true[~chosen], minlength=k)
    right = np.bincount(y_true[~chosen & judged.is_right], minlength=k)
    weight = np.where(outside >= MIN_PICTURES, inside, 0)
    if not weight.sum():
        weight = np.where(outside > 0, inside, 0)
    if not weight.sum():
        return np.nan
    return float((weight * right / np.maximum(outside, 1)).sum() / weight.sum())


def _count_strata(chosen: Bools, judged: Judged) -> tuple[Ints, Ints, Ints, int]:
    """For each class, its groups, those that are wrong, and those in the slice [k]; wrong ones in the slice.

    A group is wrong if at most half of its pictures are right, and in the slice if at least half of them are.
    Its class is that of its first picture.
    """
    _, first, number = np.unique(judged.groups, return_index=True, return_inverse=True)
    size = np.bincount(number)
    wrong = 2 * np.bincount(number, weights=judged.is_right) <= size
    inside = 2 * np.bincount(number, weights=chosen) >= size
    y, k = judged.y_true[first], len(judged.class_names)
    n_all, n_wrong, n_inside = (np.bincount(y[one], minlength=k) for one in (slice(None), wrong, inside))
    return n_all, n_wrong, n_inside, int((wrong & inside).sum())


def _test(n_all: Ints, n_wrong: Ints, n_inside: Ints, n_seen: int) -> float:
    """The probability that so many wrong groups, or more, fall into the slice by chance."""
    chances = np.ones(1)
    for stratum in zip(n_all.tolist(), n_wrong.tolist(), n_inside.tolist(), strict=True):
        chances = np.convolve(chances, _spread_hypergeometric(*stratum))
    return float(min(1.0, chances[n_seen:].sum()))


def _spread_hypergeometric(n_all: int, n_wrong: int, n_inside: int) -> Float64:
    """The probability of 0, 1, 2 and so on wrong ones among `n_inside` of `n_all`."""
    from scipy.special import gammaln

    x = np.arange(min(n_wrong, n_inside) + 1)

    def choose(n: Any, k: Any) -> Float64:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    is_possible = n_inside - x <= n_all - n_wrong
    left = np.where(is_possible, n_inside - x, 0)
    logs = choose(n_wrong, x) + choose(n_all - n_wrong, left) - choose(n_all, n_inside)
    return np.where(is_possible, np.exp(logs), 0.0)
