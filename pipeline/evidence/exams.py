"""What models answered on their test images, and which of these images two of them have in common."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.labels import read_class_names
from pipeline.tables.parquet import read_table
from pipeline.tables.predictions import PREDICTIONS

_ANSWERS = pa.schema([PREDICTIONS.field(name) for name in ("id", "y_true", "y_pred")])

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Exam:
    """What one model answered on its test set: image ids, true and predicted classes [n], class names."""

    ids: npt.NDArray[np.str_]
    y_true: Ints
    y_pred: Ints
    class_names: tuple[str, ...]


def read_exam(predictions: Path, classes: Path) -> Exam:
    """Read predictions.parquet and classes.json.

    Raises:
        DataError: a file is missing or damaged, or there is no prediction.
    """
    table = read_table(predictions, _ANSWERS, may_hold_more=True)  # another version's may hold less or more
    if not table.num_rows:
        raise DataError(f"{predictions} holds no prediction; run `dvc repro evaluate`")
    columns = {name: table[name].to_numpy() for name in _ANSWERS.names}
    ids, y_true, y_pred = columns["id"].astype(str), columns["y_true"], columns["y_pred"]
    return Exam(ids, y_true.astype(int), y_pred.astype(int), read_class_names(classes))


def match_images(one: Exam, other: Exam) -> tuple[Ints, Ints]:
    """The positions of the images that both were tested on, in each of the two exams, in one order."""
    if np.array_equal(one.ids, other.ids):
        every = np.arange(len(one.ids))
        return every, every
    _, mine, theirs = np.intersect1d(one.ids, other.ids, return_indices=True)
    return mine, theirs


def number_classes(one: Exam, other: Exam) -> Ints | None:
    """The number in `one` of each class of `other` [n_classes]; None if they have other classes."""
    if set(one.class_names) != set(other.class_names):
        return None
    return np.array([one.class_names.index(name) for name in other.class_names])
