"""What a classifier's answers are worth: scores, their bootstrap intervals, and safe names for them.

Every score but log loss is a function of the confusion matrix: int [k, k], rows the true class, columns
the predicted one. A score is nan where it is not defined (recall of a class without pictures), and
averages over classes leave nan out. Plain NumPy; scikit-learn is the oracle in the tests.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
Score = Callable[[Ints, Ints, int], float]

_MAX_PART = 100  # characters; MLflow allows 250 for a whole name
_RESAMPLED_CELLS = 1_000_000  # at a time: bounds memory to some tens of MB


def confusion_matrix(y_true: Ints, y_pred: Ints, n_classes: int) -> npt.NDArray[np.int64]:
    """Counts [n_classes, n_classes]: rows the true class, columns the predicted one."""
    flat = np.bincount(y_true.astype(np.int64) * n_classes + y_pred, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes)


def class_scores(right: Floats, n_true: Floats, n_pred: Floats) -> dict[str, Floats]:
    """Precision, recall and F1 a class, from counts [..., k] of right answers, true and predicted ones.

    As scikit-learn with zero_division=0: the precision of a class that is never predicted is 0. A class
    that is neither there nor predicted has no precision and no F1 (nan), one that is not there no recall.
    """
    is_there, is_known = n_true > 0, n_true + n_pred > 0
    return {
        "precision": np.where(is_known, right / np.maximum(n_pred, 1), np.nan),
        "recall": np.where(is_there, right / np.maximum(n_true, 1), np.nan),
        "f1": np.where(is_known, 2 * right / np.maximum(n_true + n_pred, 1), np.nan),
    }


def overall_scores(right: Floats, n_true: Floats, n_pred: Floats) -> dict[str, Floats]:
    """Accuracy, balanced accuracy (mean recall), and precision, recall and F1 averaged over the classes.

    From counts [..., k], as `class_scores`; one value for each of the leading axes.
    """
    a_class = class_scores(right, n_true, n_pred)
    macro = {f"macro_{name}": _mean_of_known(values) for name, values in a_class.items()}
    accuracy = right.sum(axis=-1) / n_true.sum(axis=-1)
    return {"accuracy": accuracy, "balanced_accuracy": macro["macro_recall"], **macro}


def counts_of(matrix: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """From a confusion matrix [k, k]: right answers, true and predicted ones, each a class [k]."""
    return tuple(x.astype(np.float64) for x in (np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)))  # type: ignore[return-value]


def bootstrap(
    matrix: npt.NDArray[np.int64], *, n_resamples: int, confidence: float, seed: int
) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[Floats, Floats]]]:
    """Percentile intervals of all overall scores, and of all class scores (a value a class).

    Drawing n pictures with replacement and scoring them again is drawing the cells of the confusion
    matrix from a multinomial distribution (Efron and Tibshirani 1993, chapter 13). Resamples in which a
    score is not defined are left out of its interval. Where all answers are right the interval has no
    width: resampling cannot show errors that never occurred.
    """
    overall: list[dict[str, Floats]] = []
    a_class: list[dict[str, Floats]] = []
    for counts in _resampled(matrix, n_resamples, np.random.default_rng(seed)):
        overall.append(overall_scores(*counts))
        a_class.append(class_scores(*counts))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    intervals = {name: _quantiles(overall, name, tails) for name in overall[0]}
    of_classes = {name: _quantiles(a_class, name, tails) for name in a_class[0]}
    return {name: (float(low), float(high)) for name, (low, high) in intervals.items()}, of_classes


def log_loss(y_true: Ints, y_prob: npt.NDArray[np.floating[Any]]) -> float:
    """Mean negative natural logarithm of the probability given to the true class (at least 1e-7)."""
    given = y_prob[np.arange(len(y_true)), y_true].astype(np.float64)
    return float(-np.log(np.clip(given, 1e-7, 1)).mean())


def accuracy(y_true: Ints, y_pred: Ints, n_classes: int) -> float:
    """The share of right answers."""
    return _overall(y_true, y_pred, n_classes)["accuracy"]


def balanced_accuracy(y_true: Ints, y_pred: Ints, n_classes: int) -> float:
    """The mean recall of the classes that occur."""
    return _overall(y_true, y_pred, n_classes)["balanced_accuracy"]


def macro_f1(y_true: Ints, y_pred: Ints, n_classes: int) -> float:
    """The mean F1 of the classes that occur or are predicted."""
    return _overall(y_true, y_pred, n_classes)["macro_f1"]


SCORES: Mapping[str, Score] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
}


def metric_name(*parts: str) -> str:
    """Parts joined by "/", each made of the characters that MLflow allows (letters, digits, _ - . and space).

    A part that has to be changed carries a hash of the original, so that different parts stay different.
    """
    return "/".join(_safe(part) for part in parts)


def _safe(part: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9_\-. ]", "_", part)[:_MAX_PART]
    if kept == part and part.strip(". ") == part and part:
        return part
    return f"{kept.strip('. ')}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"


def _overall(y_true: Ints, y_pred: Ints, n_classes: int) -> dict[str, float]:
    counts = counts_of(confusion_matrix(y_true, y_pred, n_classes))
    return {name: float(value) for name, value in overall_scores(*counts).items()}


def _mean_of_known(values: Floats) -> Floats:
    is_known = ~np.isnan(values)
    total = np.where(is_known, values, 0).sum(axis=-1)
    return np.asarray(total / np.maximum(is_known.sum(axis=-1), 1))


def _resampled(matrix: npt.NDArray[np.int64], n_resamples: int, rng: np.random.Generator) -> Any:
    """Counts [some, k] of right answers, true and predicted classes, for runs of resamples."""
    true, pred = np.nonzero(matrix)
    cells = matrix[true, pred]
    k = len(matrix)
    of_true, of_pred = np.eye(k)[true], np.eye(k)[pred]
    of_right = of_true * (true == pred)[:, None]
    at_once = max(1, _RESAMPLED_CELLS // max(len(cells), k))
    for start in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - start)
        drawn = rng.multinomial(cells.sum(), cells / cells.sum(), size=size).astype(np.float64)
        yield drawn @ of_right, drawn @ of_true, drawn @ of_pred


def _quantiles(runs: list[dict[str, Floats]], name: str, tails: list[float]) -> tuple[Any, Any]:
    """Lower and upper quantile over the resamples, nan left out; nan where no resample defines it."""
    values = np.concatenate([run[name] for run in runs])
    flat = values.reshape(len(values), -1)
    ends = np.full((2, flat.shape[1]), np.nan)
    for column in range(flat.shape[1]):
        known = flat[~np.isnan(flat[:, column]), column]
        if len(known):
            ends[:, column] = np.quantile(known, tails)
    return (ends[0], ends[1]) if values.ndim == 2 else (ends[0, 0], ends[1, 0])
