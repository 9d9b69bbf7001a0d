"""What a class gains and loses by the probability from which it is answered: curves and thresholds."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.storage import write_whole

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

_MAX_POINTS = 200  # of a curve in a table
_COLUMNS = ("class", "threshold", "false_positive_rate", "recall", "precision")


@dataclass(frozen=True)
class ThresholdCurve:
    """One class against the rest, at each probability that occurs, the highest first.

    Attributes:
        threshold: from which the class is answered [n_points]; the first is above 1, where it never is.
        false_positive_rate: the share of other pictures that are then called so.
        recall: the share of its own pictures that are.
        precision: the share of what is called so that is of the class; 1 where nothing is.
        n_called: how many pictures are called so.
    """

    name: str
    threshold: Float64
    false_positive_rate: Float64
    recall: Float64
    precision: Float64
    n_called: Ints

    def find_precise(self, precision: float, *, least: int = 10) -> int | None:
        """The point with the lowest threshold that is as precise as that; None if there is none.

        Args:
            least: how many pictures must be called so; fewer say nothing.
        """
        reached = np.flatnonzero((self.precision >= precision) & (self.n_called >= least))
        return int(reached[-1]) if len(reached) else None


def trace_curves(y_true: Ints, y_prob: Floats, class_names: Sequence[str]) -> list[ThresholdCurve]:
    """The curve of each class that has test pictures, and is not alone in having them."""
    return [
        _trace(name, y_true == c, y_prob[:, c].astype(np.float64))
        for c, name in enumerate(class_names)
        if 0 < (y_true == c).sum() < len(y_true)
    ]


def _trace(name: str, is_class: Bools, score: Float64) -> ThresholdCurve:
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf) != 0)
    found, others = (np.r_[0, np.cumsum(mine[order])[ends]] for mine in (is_class, ~is_class))
    precision = np.where(found + others > 0, found / np.maximum(found + others, 1), 1.0)
    threshold = np.r_[np.nextafter(1, 2), score[order][ends]]
    return ThresholdCurve(name, threshold, others / others[-1], found / found[-1], precision, found + others)


def write_curves(curves: Sequence[ThresholdCurve], path: Path) -> None:
    """Write at most 200 points of each curve, for `dvc plots`.

    Of two classes only the first: one line per result can be compared, and the second holds the same answers.
    """
    rows = (
        [one.name, *(round(float(values[i]), 6) for values in _list_columns(one))]
        for one in (curves[:1] if len(curves) == 2 else curves)
        for i in _choose_points(one)
    )
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        table.writerows(rows)


def _list_columns(curve: ThresholdCurve) -> tuple[Float64, ...]:
    return curve.threshold, curve.false_positive_rate, curve.recall, curve.precision


def _choose_points(curve: ThresholdCurve) -> Ints:
    """Points that lie evenly along the curve, the first and the last among them."""
    n = len(curve.threshold)
    if n <= _MAX_POINTS:
        return np.arange(n)
    way = curve.false_positive_rate + curve.recall + np.cumsum(np.abs(np.diff(curve.precision, prepend=1)))
    return np.unique(np.searchsorted(way, np.linspace(0, way[-1], _MAX_POINTS)).clip(0, n - 1))
