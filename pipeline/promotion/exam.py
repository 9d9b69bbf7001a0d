"""The exam: what two models answered on the same test images, and the decision that follows from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.characters import cut
from pipeline.errors import DataError
from pipeline.evidence.metrics import SCORES
from pipeline.labels import read_class_names
from pipeline.params import PromoteParams
from pipeline.promotion.gate import Decision, Floors, decide
from pipeline.tables.parquet import read_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tracking.registry import CHAMPION

MAJORITY = "majority guess"  # what a model has to beat while there is no champion
_ANSWERS = pa.schema([PREDICTIONS.field(name) for name in ("id", "y_true", "y_pred")])
_N_NAMED, _MAX_NAME = 3, 40  # classes that a reason names, and characters of each

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


def compare(challenger: Exam, champion: Exam | None, params: PromoteParams) -> Decision:
    """The decision, from what both models answered on the test images that they have in common.

    Images that only one of them was tested on may have been in the other's training set, so they are left
    out. Without a champion, the model must beat always guessing the most common class.
    """
    score = SCORES[params.metric]
    n_classes = len(challenger.class_names)
    mine, theirs, obstacle = _find_common(challenger, champion)
    y_true = challenger.y_true[mine]
    return decide(
        metric=params.metric,
        against=MAJORITY if champion is None else CHAMPION,
        challenger=score(y_true, challenger.y_pred[mine], n_classes) if len(mine) else 0.0,
        reference=score(y_true, theirs, n_classes) if len(mine) else 0.0,
        n_common=len(mine),
        min_common_images=1 if champion is None else params.min_common_images,
        min_gain=params.min_gain,
        missed_floors=_find_missed_floors(challenger, params),
        obstacle=obstacle,
    )


def confirm_champion(exam: Exam, params: PromoteParams) -> Decision:
    """The decision about the champion itself in a new state, for example with other promote.* values.

    There is nothing to gain, so it never promotes.
    """
    return _decide_alone(exam, params, "this model is the champion already")


def miss_champion(exam: Exam, number: int, params: PromoteParams) -> Decision:
    """The decision where the champion's answers to its test images are gone: it never promotes."""
    obstacle = (
        f"the test answers of the champion, version {number}, are gone from MLflow, so nothing can be "
        f"compared with it; restore its row or its model, or remove the alias {CHAMPION!r} to start over"
    )
    return _decide_alone(exam, params, obstacle)


def _decide_alone(exam: Exam, params: PromoteParams, obstacle: str) -> Decision:
    score = SCORES[params.metric](exam.y_true, exam.y_pred, len(exam.class_names))
    return decide(
        metric=params.metric,
        against=CHAMPION,
        challenger=score,
        reference=score,
        n_common=len(exam.ids),
        min_common_images=params.min_common_images,
        min_gain=params.min_gain,
        missed_floors=_find_missed_floors(exam, params),
        obstacle=obstacle,
    )


def _find_missed_floors(exam: Exam, params: PromoteParams) -> tuple[str, ...]:
    floors = Floors(min_accuracy=params.min_accuracy, min_class_recall=params.min_class_recall)
    return floors.find_misses(**_compute_floor_values(exam))


def _find_common(challenger: Exam, champion: Exam | None) -> tuple[Ints, Ints, str]:
    """The images that both were tested on, and what the other side answered.

    Returns:
        The positions of the common images in the challenger's exam, the other side's answers to them in the
        challenger's class numbers, and what stands in the way of a comparison ("" for nothing).
    """
    if champion is None:
        majority = np.bincount(challenger.y_true).argmax()
        return np.arange(len(challenger.ids)), np.full(len(challenger.ids), majority), ""
    nothing = np.zeros(0, np.int64)
    if set(champion.class_names) != set(challenger.class_names):
        obstacle = (
            f"the champion has {_name_classes(champion, challenger)}, this model "
            f"{_name_classes(challenger, champion)}, so they cannot be compared; set promote.model_name to "
            "keep both"
        )
        return nothing, nothing, obstacle
    _, mine, theirs = np.intersect1d(challenger.ids, champion.ids, return_indices=True)
    number = np.array([challenger.class_names.index(name) for name in champion.class_names])
    return mine, number[champion.y_pred[theirs]], ""


def _name_classes(exam: Exam, other: Exam) -> str:
    """The classes that only this exam has, at most three by name."""
    own = [name for name in exam.class_names if name not in other.class_names]
    named = ", ".join(cut(name, _MAX_NAME) for name in own[:_N_NAMED])
    more = f" and {len(own) - _N_NAMED} more" if len(own) > _N_NAMED else ""
    return f"{len(own)} other classes ({named}{more})" if own else "no other class"


def _compute_floor_values(exam: Exam) -> dict[str, Any]:
    right = exam.y_true == exam.y_pred
    recall = {
        name: float(right[exam.y_true == index].mean())
        for index, name in enumerate(exam.class_names)
        if (exam.y_true == index).any()
    }
    return {"accuracy": float(right.mean()), "class_recall": recall}
