"""Two models on the same test pictures, by groups of near-duplicates: the difference, and whether it is luck.

Two copies of one picture are one proof, not two. So the bootstrap draws whole groups, and in McNemar's test a
group counts once.

The bootstrap is that of Efron and Tibshirani (1993, chapter 13), within each class: the test set has as many
groups of a class as it has. Groups with the same answers are of one kind, so drawing groups is drawing kinds
from a multinomial distribution. What was never seen would never be drawn: four gains without a loss would be
certain. So each class draws from a little more than was seen: over all classes, one group that only the first
model gets right, and one that only the second does. For accuracy this is what Bonett and Price (2012),
"Adjusted Wald confidence interval for a difference of binomial proportions based on paired data", add.

The test is that of McNemar (1947), exact. Of the groups that one model answers better, each is as likely to
favour either, if the two are equal. For groups of several pictures it is the sign test.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval, find_ends
from pipeline.evidence.metrics import SCORES, count_kinds, score_overall

Ints = npt.NDArray[np.integer[Any]]
Float64 = npt.NDArray[np.float64]

N_RESAMPLES = 10_000
_CELLS = 1_000_000  # drawn at a time: bounds memory to some tens of MB
_FEW = 10  # resamples beyond a quantile; fewer do not say where it lies


@dataclass(frozen=True)
class Pair:
    """What two models answered on the same pictures.

    Attributes:
        y_true: the class of each [n].
        first, second: the answers of the two models, in the same numbers [n].
        groups: the number of each picture's group of near-duplicates [n].
    """

    y_true: Ints
    first: Ints
    second: Ints
    groups: Ints
    n_classes: int

    def __len__(self) -> int:
        return len(self.y_true)

    def choose(self, chosen: npt.NDArray[Any]) -> "Pair":
        """Some of the pictures, by position or by truth."""
        parts = (self.y_true[chosen], self.first[chosen], self.second[chosen], self.groups[chosen])
        return Pair(*parts, self.n_classes)

    def score(self, metric: str) -> tuple[float, float]:
        """A score of `evidence.metrics.SCORES` of both models."""
        compute = SCORES[metric]
        first, second = (compute(self.y_true, one, self.n_classes) for one in (self.first, self.second))
        return first, second


class Tally(NamedTuple):
    """Groups: all of them, those that the first model answers better, and those that the second does."""

    n: int
    won: int
    lost: int


def count_groups(pair: Pair) -> Tally:
    """How many groups each model answers better: of their pictures, it gets more right."""
    _, number = np.unique(pair.groups, return_inverse=True)
    gains = (pair.first == pair.y_true).astype(np.int64) - (pair.second == pair.y_true)
    gain = np.bincount(number, weights=gains) if len(pair) else np.zeros(0)
    return Tally(len(gain), int((gain > 0).sum()), int((gain < 0).sum()))


def compute_gain_p(won: int, lost: int) -> float:
    """How often luck alone wins so many, or more, of the groups that differ: McNemar's exact test, one-sided.

    With the two numbers swapped it is the p of a loss.
    """
    from scipy.special import bdtr

    return float(bdtr(lost, won + lost, 0.5)) if won + lost else 1.0


def compute_difference_p(won: int, lost: int) -> float:
    """The same, two-sided: how often luck alone divides them as unevenly, to either side."""
    return min(1.0, 2 * compute_gain_p(max(won, lost), min(won, lost)))


def bootstrap_difference(
    pair: Pair, metric: str, *, confidence: float, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Interval:
    """A score of the first model minus that of the second, with its interval; nan without pictures.

    Beyond the resamples, the tail is taken to be that of a normal distribution, where that is longer.

    Args:
        metric: a name of `evidence.metrics.SCORES`.
        confidence: of both ends together: each is missed in half of the rest.
    """
    from scipy.special import ndtri

    if not len(pair):
        return Interval(np.nan, np.nan, np.nan)
    first, second = pair.score(metric)
    drawn = np.concatenate(list(_resample(pair, metric, n_resamples, seed)))
    low, high = find_ends(drawn, confidence)
    tail = (1 - confidence) / 2
    if tail * n_resamples < _FEW:
        reach = -float(ndtri(tail) * drawn.std(ddof=1))
        low, high = min(low, float(drawn.mean()) - reach), max(high, float(drawn.mean()) + reach)
    value = first - second
    return Interval(value, max(-1.0, min(low, value)), min(1.0, max(high, value)))


@dataclass(frozen=True)
class _Stratum:
    """The groups of one class by kind.

    Attributes:
        n: how many are drawn.
        shares: of the kinds [n_kinds].
        members: pictures of each kind as (kind, true class, first answer, second answer, how many).
    """

    n: int
    shares: Float64
    members: Float64


def _resample(pair: Pair, metric: str, n_resamples: int, seed: int) -> Iterator[Float64]:
    """Differences of the score, some resamples at a time."""
    class_of = _find_classes(pair)
    if metric == "accuracy":  # then all that counts is whether an answer is right
        wrong = (pair.first != pair.y_true).astype(np.int64), (pair.second != pair.y_true).astype(np.int64)
        pair = Pair(np.zeros(len(pair), np.int64), *wrong, pair.groups, 2)
    n_groups = len(np.unique(pair.groups))
    strata = [_count_stratum(pair.choose(class_of == one), n_groups) for one in np.unique(class_of)]
    columns = _count_columns(strata, pair.n_classes)
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS // max(columns.shape))
    for start in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - start)
        drawn = [rng.multinomial(one.n, one.shares, size=size) for one in strata]
        sums = np.concatenate(drawn, axis=1).astype(np.float64) @ columns
        true, *of_models = np.split(sums, 5, axis=1)
        first, second = (score_overall(of_models[i], true, of_models[i + 1])[metric] for i in (0, 2))
        yield first - second


def _find_classes(pair: Pair) -> Ints:
    """The class of each picture's group, which is that of its first picture [n]."""
    _, first, number = np.unique(pair.groups, return_index=True, return_inverse=True)
    return np.asarray(pair.y_true[first][number])


def _count_stratum(pair: Pair, n_groups: int) -> _Stratum:
    """The groups of a class, with its part of the two that were not seen.

    In these the wrong answer is every other class, in equal parts.
    """
    k = pair.n_classes
    of_class = int(pair.y_true[0])
    cells = (pair.y_true.astype(np.int64) * k + pair.first) * k + pair.second
    kinds = count_kinds(cells, pair.groups)
    n, n_kinds = sum(kinds.values()), len(kinds)
    seen = [
        (kind, cell // k**2, cell // k % k, cell % k, 1.0)
        for kind, members in enumerate(kinds)
        for cell in members
    ]
    others = [one for one in range(k) if one != of_class]
    won = [(n_kinds, of_class, of_class, one, 1 / len(others)) for one in others]
    lost = [(n_kinds + 1, of_class, one, of_class, 1 / len(others)) for one in others]
    weights = np.array([*kinds.values(), n / n_groups, n / n_groups], np.float64)
    return _Stratum(n, weights / weights.sum(), np.array([*seen, *won, *lost], np.float64))


def _count_columns(strata: Sequence[_Stratum], k: int) -> Any:
    """What a group of each kind adds, as a sparse matrix [n_kinds, 5 k].

    For each class: its pictures, then the right answers and all answers of the first model, then those of the
    second.
    """
    from scipy.sparse import csr_matrix

    starts = np.cumsum([0] + [len(one.shares) for one in strata])
    kind, true, first, second, times = np.concatenate(
        [one.members + np.array([start, 0, 0, 0, 0]) for one, start in zip(strata, starts, strict=False)]
    ).T
    parts = [
        (true, times),
        *((true, times * (first == true)), (first, times)),
        *((true, times * (second == true)), (second, times)),
    ]
    columns = np.concatenate([number * k + column for number, (column, _) in enumerate(parts)])
    values = np.concatenate([times for _, times in parts])
    rows = np.tile(kind, len(parts)).astype(np.int64)
    return csr_matrix((values, (rows, columns.astype(np.int64))), shape=(int(starts[-1]), 5 * k))
