"""Two models on the same test images: the difference of a score, its interval, and whether it may be luck.

Accuracy has the exact test of McNemar (1947) and the adjusted interval of Bonett and Price (2012), "Adjusted
Wald confidence interval for a difference of binomial proportions based on paired data". Averages over classes
have a permutation test, which swaps the answers of the two models to single images, and a bootstrap interval.
Images count one by one: the answers in MLflow do not say which of them are near-duplicates.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.evidence.exams import Exam, match_images, number_classes
from pipeline.evidence.intervals import Interval, draw_kinds, find_ends
from pipeline.evidence.metrics import score_overall

Float64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_N_RESAMPLES = 2000
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """A score of one model minus that of another, on the images that both were tested on.

    Attributes:
        interval: nan where they have no image in common.
        p: how often luck alone gives a difference as large; nan likewise.
        n: images in common, with the same label.
        is_whole: whether these are all test images of both.
    """

    interval: Interval
    p: float
    n: int
    is_whole: bool


def compare_answers(one: Exam, other: Exam, metric: str, *, confidence: float) -> Difference | None:
    """The difference of a score of `evidence.metrics.SCORES`; None if the two have other classes.

    An image whose label was corrected between the two is left out.
    """
    number = number_classes(one, other)
    if number is None:
        return None
    mine, theirs = match_images(one, other)
    is_same = one.y_true[mine] == number[other.y_true[theirs]]
    mine, theirs = mine[is_same], theirs[is_same]
    is_whole = len(mine) == len(one.ids) == len(other.ids)
    y_true, first, second = one.y_true[mine], one.y_pred[mine], number[other.y_pred[theirs]]
    if not len(mine):
        return Difference(Interval(np.nan, np.nan, np.nan), np.nan, 0, is_whole)
    if metric == "accuracy":
        interval, p = _compare_shares(first == y_true, second == y_true, confidence)
    else:
        kinds = _Kinds.count(y_true, first, second, len(number), metric)
        interval, p = kinds.bound(confidence), kinds.test()
    return Difference(interval, p, len(mine), is_whole)


def _compare_shares(
    one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], confidence: float
) -> tuple[Interval, float]:
    from scipy.special import bdtr, ndtri

    n, won, lost = len(one), int((one & ~other).sum()), int((~one & other).sum())
    value, shifted = (won - lost) / n, (won - lost) / (n + 2)
    reach = float(ndtri((1 + confidence) / 2)) * np.sqrt((won + lost + 2) / (n + 2) - shifted**2)
    reach /= np.sqrt(n + 2)
    ends = max(-1.0, shifted - reach), min(1.0, shifted + reach)
    p = min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5))) if won + lost else 1.0
    return Interval(value, min(ends[0], value), max(ends[1], value)), p


@dataclass(frozen=True)
class _Kinds:
    """Images by what is true and what the two models answered: their number, and those three [n_kinds]."""

    counts: Ints
    true: Ints
    answers: tuple[Ints, Ints]
    n_classes: int
    metric: str

    @classmethod
    def count(cls, y_true: Ints, first: Ints, second: Ints, n_classes: int, metric: str) -> "_Kinds":
        cells, counts = np.unique(np.stack([y_true, first, second]), axis=1, return_counts=True)
        return cls(counts, cells[0], (cells[1], cells[2]), n_classes, metric)

    @property
    def value(self) -> float:
        whole = self.counts[None].astype(np.float64)
        return float(self._subtract((whole, whole * 0), (whole * 0, whole))[0])

    def bound(self, confidence: float) -> Interval:
        """The difference with its bootstrap interval."""
        drawn = draw_kinds(self.counts, n_resamples=_N_RESAMPLES, seed=0, n_columns=self.n_classes)
        runs = [self._subtract((whole, whole * 0), (whole * 0, whole)) for whole in drawn]
        low, high = find_ends(np.concatenate(runs), confidence)
        return Interval(self.value, min(low, self.value), max(high, self.value))

    def test(self) -> float:
        """The share of swaps that give a difference as large, with the one that was seen."""
        rng = np.random.default_rng(0)
        swapped = rng.binomial(self.counts, 0.5, (_N_RESAMPLES, len(self.counts))).astype(np.float64)
        kept = self.counts - swapped
        found = np.abs(self._subtract((kept, swapped), (swapped, kept)))
        n_as_large = int((found >= abs(self.value) - _ROUNDING).sum())
        return (1 + n_as_large) / (1 + _N_RESAMPLES)

    def _subtract(self, one: tuple[Float64, Float64], other: tuple[Float64, Float64]) -> Float64:
        """The difference of the score [n], where each side holds so many images' first and second answers."""
        first, second = (self._score(side) for side in (one, other))
        return first - second

    def _score(self, side: tuple[Float64, Float64]) -> Float64:
        of_class = np.eye(self.n_classes)
        true = (side[0] + side[1]) @ of_class[self.true]
        right, pred = np.zeros_like(true), np.zeros_like(true)
        for counts, answers in zip(side, self.answers, strict=True):
            right += counts @ (of_class[self.true] * (answers == self.true)[:, None])
            pred += counts @ of_class[answers]
        return score_overall(right, true, pred)[self.metric]
