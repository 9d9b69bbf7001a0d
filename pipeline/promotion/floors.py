"""What any model must reach on its own test set, whatever the champion does (`promote.floors`)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.characters import cut
from pipeline.errors import nearest
from pipeline.evidence.metrics import count_confusions, score_classes, score_overall

Ints = npt.NDArray[np.int64]
Floor = float | Mapping[str, float]

ALL = "*"  # stands for each class that has no floor of its own
_N_NAMED, _MAX_NAME = 3, 40  # classes that a reason names, and characters of each


def find_missed_floors(
    floors: Mapping[str, Floor], y_true: Ints, y_pred: Ints, class_names: Sequence[str]
) -> tuple[str, ...]:
    """The floors that are not reached, in words; empty when all are.

    A score that is not known, and a class that the model does not have, reach no floor.

    Args:
        floors: by score: one number, or one for each class.
    """
    matrix = count_confusions(y_true, y_pred, len(class_names)).astype(np.float64)
    counts = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    overall: Any = score_overall(*counts)
    of_classes = score_classes(*counts)
    missed: list[str] = []
    for score, floor in floors.items():
        if isinstance(floor, Mapping):
            values = dict(zip(class_names, of_classes[score].tolist(), strict=True))
            missed += _find_low_classes(score, floor, values)
        elif not overall[score] >= floor:
            missed.append(f"{score} {overall[score]:.4f} is below promote.floors.{score} {floor:g}")
    return tuple(missed)


def _find_low_classes(score: str, floors: Mapping[str, float], values: Mapping[str, float]) -> Iterator[str]:
    for name in sorted(floors.keys() - values.keys() - {ALL}):
        hint = nearest(name, values, n=1)
        yield f"promote.floors.{score} names the class {_quote(name)}, which this model does not have{hint}"
    known = {name: floors.get(name, floors.get(ALL, 0.0)) for name in values}
    lacks = [name for name in values if np.isnan(values[name]) and known[name] > 0]
    low = [name for name in values if values[name] < known[name]]
    for name in lacks[:_N_NAMED]:
        yield (
            f"{score} of class {_quote(name)} is not known, as no test image is of it or was called so; "
            f"promote.floors.{score} asks for {known[name]:g}"
        )
    if len(lacks) > _N_NAMED:
        yield f"and of {len(lacks) - _N_NAMED} more classes"
    low.sort(key=lambda name: (values[name] - known[name], name))
    for name in low[:_N_NAMED]:
        yield (
            f"{score} of class {_quote(name)} {values[name]:.4f} is below promote.floors.{score} "
            f"{known[name]:g}"
        )
    if len(low) > _N_NAMED:
        yield f"{score} of {len(low) - _N_NAMED} more classes is below theirs"


def _quote(name: str) -> str:
    return repr(cut(name, _MAX_NAME))
