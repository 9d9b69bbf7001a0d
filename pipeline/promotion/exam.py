"""The exam: what two models answered on the same test images, and the decision that follows from it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.characters import cut
from pipeline.evidence.exams import Exam, match_images, number_classes
from pipeline.evidence.metrics import SCORES
from pipeline.params import PromoteParams
from pipeline.promotion.gate import Decision, Floors, decide
from pipeline.tracking.registry import CHAMPION

MAJORITY = "majority guess"  # what a model has to beat while there is no champion
_N_NAMED, _MAX_NAME = 3, 40  # classes that a reason names, and characters of each

Ints = npt.NDArray[np.int64]


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
    number = number_classes(challenger, champion)
    if number is None:
        obstacle = (
            f"the champion has {_name_classes(champion, challenger)}, this model "
            f"{_name_classes(challenger, champion)}, so they cannot be compared; set promote.model_name to "
            "keep both"
        )
        return nothing, nothing, obstacle
    mine, theirs = match_images(challenger, champion)
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
