"""The scores of a classifier's answers, overall and per class, with their intervals.

Every score is a function of the confusion matrix: int [k, k], rows the true class, columns the
predicted one. A score is nan where it is not defined (recall of a class without pictures), and averages over
classes leave nan out. All is plain NumPy; the tests compare it with scikit-learn.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval, bound_score, bound_share, count_groups_of, draw_kinds

Ints = npt.NDArray[np.integer[Any]]
Float64 = npt.NDArray[np.float64]
Counts = tuple[Float64, Float64, Float64]  # right answers, true and predicted pictures, each [..., k]
Score = Callable[[Ints, Ints, int], float]


@dataclass(frozen=True)
class Scores:
    """Scores by name, each with its interval; `of_classes` holds one interval per class, in their order."""

    overall: Mapping[str, Interval]
    of_classes: Mapping[str, tuple[Interval, ...]]

    def join(self, other: "Scores") -> "Scores":
        """These scores and others of the same pictures and classes."""
        return Scores({**self.overall, **other.overall}, {**self.of_classes, **other.of_classes})


def count_confusions(y_true: Ints, y_pred: Ints, n_classes: int) -> npt.NDArray[np.int64]:
    """The confusion matrix [n_classes, n_classes]: rows the true class, columns the predicted one."""
    flat = np.bincount(y_true.astype(np.int64) * n_classes + y_pred, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes)


def score_classes(right: Float64, n_true: Float64, n_pred: Float64) -> dict[str, Float64]:
    """Precision, recall and F1 per class, from counts [..., k] of right answers, true and predicted pictures.

    As in scikit-learn with zero_division=0, the precision of a class that is never predicted is 0. A class
    that neither occurs nor is predicted has no precision and no F1 (nan). A class that does not occur has no
    recall (nan).
    """
    is_there, is_known = n_true > 0, n_true + n_pred > 0
    return {
        "precision": np.where(is_known, right / np.maximum(n_pred, 1), np.nan),
        "recall": np.where(is_there, right / np.maximum(n_true, 1), np.nan),
        "f1": np.where(is_known, 2 * right / np.maximum(n_true + n_pred, 1), np.nan),
    }


def score_overall(right: Float64, n_true: Float64, n_pred: Float64) -> dict[str, Float64]:
    """Accuracy, balanced accuracy (mean recall), and precision, recall and F1 averaged over the classes.

    They come from counts [..., k], as in `score_classes`, with one value for each of the leading axes.
    """
    a_class = score_classes(right, n_true, n_pred)
    macro = {f"macro_{name}": average_known(values) for name, values in a_class.items()}
    accuracy = right.sum(axis=-1) / n_true.sum(axis=-1)
    return {"accuracy": accuracy, "balanced_accuracy": macro["macro_recall"], **macro}


def score_answers(
    y_true: Ints,
    y_pred: Ints,
    groups: Ints,
    n_classes: int,
    *,
    n_resamples: int,
    confidence: float,
    seed: int,
) -> Scores:
    """All scores of a set of answers, with their intervals over groups of near-duplicates.

    Shares (accuracy, and precision, recall and F1 per class) have exact intervals. Averages over classes have
    intervals from the bootstrap (`intervals.bound_score`).

    Args:
        y_true, y_pred: the true and the predicted class of each picture [n].
        groups: the number of each picture's group of near-duplicates [n].
    """
    counts = _count_answers(count_confusions(y_true, y_pred, n_classes))
    share = bound_share((y_true == y_pred).astype(np.float64), groups, confidence=confidence)
    cells = y_true.astype(np.int64) * n_classes + y_pred
    runs = [score_overall(*drawn) for drawn in _resample(cells, groups, n_classes, n_resamples, seed)]
    parts = score_classes(*counts)
    n_true = count_groups_of(y_true, groups, n_classes)
    both = np.concatenate([y_true, y_pred]), np.concatenate([groups, groups])
    n_concerned = count_groups_of(*both, n_classes)
    found = {}
    for name, value in score_overall(*counts).items():
        part = "recall" if name == "balanced_accuracy" else name.removeprefix("macro_")
        found[name] = (
            share
            if name == "accuracy"
            else bound_score(
                float(value),
                float(np.concatenate([run[name] for run in runs]).var(ddof=1)),
                parts[part],
                n_true if part == "recall" else n_concerned,
                n_groups=len(np.unique(groups)),
                confidence=confidence,
            )
        )
    return Scores(found, _bound_classes(y_true, y_pred, groups, n_classes, confidence))


def _bound_classes(
    y_true: Ints, y_pred: Ints, groups: Ints, n_classes: int, confidence: float
) -> dict[str, tuple[Interval, ...]]:
    """Precision, recall and F1 of each class with their exact intervals.

    F1 is 2 J / (1 + J), where J is the share of right answers among the pictures that are of a class or are
    called so. So the interval of J gives that of F1.
    """
    values = score_classes(*_count_answers(count_confusions(y_true, y_pred, n_classes)))
    found: dict[str, list[Interval]] = {name: [] for name in values}
    for c in range(n_classes):
        is_true, is_called = y_true == c, y_pred == c
        right = (is_true & is_called).astype(np.float64)
        concerned = {"precision": is_called, "recall": is_true, "f1": is_true | is_called}
        for name, chosen in concerned.items():
            value = float(values[name][c])
            _, low, high = bound_share(right[chosen], groups[chosen], confidence=confidence)
            if name == "f1":
                low, high = (2 * end / (1 + end) for end in (low, high))
            found[name].append(Interval(value, *((np.nan, np.nan) if np.isnan(value) else (low, high))))
    return {name: tuple(of_classes) for name, of_classes in found.items()}


def accuracy(y_true: Ints, y_pred: Ints, n_classes: int) -> float:
    """The share of right answers."""
    return _compute(y_true, y_pred, n_classes)["accuracy"]


def balanced_accuracy(y_true: Ints, y_pred: Ints, n_classes: int) -> float:
    """The mean recall of the classes that occur."""
    return _compute(y_true, y_pred, n_classes)["balanced_accuracy"]


def macro_f1(y_true: Ints, y_pred: Ints, n_classes: int) -> float:
    """The mean F1 of the classes that occur or are predicted."""
    return _compute(y_true, y_pred, n_classes)["macro_f1"]


SCORES: Mapping[str, Score] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
}


def _compute(y_true: Ints, y_pred: Ints, n_classes: int) -> dict[str, float]:
    counts = _count_answers(count_confusions(y_true, y_pred, n_classes))
    return {name: float(value) for name, value in score_overall(*counts).items()}


def _count_answers(matrix: npt.NDArray[Any]) -> Counts:
    """From a confusion matrix [k, k]: counts per class [k] of right answers, true and predicted pictures."""
    right, true, pred = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return right.astype(np.float64), true.astype(np.float64), pred.astype(np.float64)


def average_known(values: Float64) -> Float64:
    """The mean over the last axis of what is not nan; 0 where all is."""
    is_known = ~np.isnan(values)
    total = np.where(is_known, values, 0).sum(axis=-1)
    return np.asarray(total / np.maximum(is_known.sum(axis=-1), 1))


def _resample(cells: Ints, groups: Ints, k: int, n_resamples: int, seed: int) -> Iterator[Counts]:
    """Counts of some resamples at a time; `cells` is the cell of the confusion matrix of each picture [n]."""
    kinds = count_kinds(cells, groups)
    counts = np.array(list(kinds.values()))
    matrices = [np.zeros((len(kinds), k)) for _ in range(3)]
    of_right, of_true, of_pred = matrices
    for kind, members in enumerate(kinds):
        for cell in members:
            true, pred = divmod(cell, k)
            of_true[kind, true] += 1
            of_pred[kind, pred] += 1
            of_right[kind, true] += true == pred
    for drawn in draw_kinds(counts, n_resamples=n_resamples, seed=seed, n_columns=k):
        yield drawn @ of_right, drawn @ of_true, drawn @ of_pred


def count_kinds(cells: Ints, groups: Ints) -> dict[tuple[int, ...], int]:
    """How many groups have the same answers, by kind; single pictures first, in the order of cells."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    members = np.split(cells[order], starts[1:])
    kinds = Counter(tuple(sorted(part.tolist())) for part in members)
    return {kind: kinds[kind] for kind in sorted(kinds, key=lambda kind: (len(kind), kind))}
