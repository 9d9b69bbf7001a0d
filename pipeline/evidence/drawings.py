"""The figures of evaluate: scores per class, curves of the training, sheets of right and wrong answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Pictures
from pipeline.evidence.metrics import Scores
from pipeline.evidence.wording import show_level
from pipeline.figures.class_bars import draw_class_bars
from pipeline.figures.curves import draw_curves
from pipeline.figures.drawing import shorten
from pipeline.figures.sheets import draw_sheet
from pipeline.training.history import find_best_row, read_history

Ints = npt.NDArray[np.integer[Any]]
Float32 = npt.NDArray[np.float32]


def draw_f1(
    scores: Scores, class_names: Sequence[str], support: Ints, *, confidence: float, path: Path
) -> None:
    """Draw one bar of F1 with its interval per class; `support` is the number of test pictures of each."""
    values, lows, highs = np.array(scores.of_classes["f1"]).T
    draw_class_bars(
        (values, lows, highs),
        class_names,
        n_of_class=support,
        title=f"F1 of every class, on {support.sum():,} test pictures",
        what=f"F1, with its {show_level(confidence)} interval",
        path=path,
    )


def draw_training(history: Path, monitor: str, path: Path) -> None:
    """Draw the curves of the training, with the epoch whose weights were kept."""
    rows = read_history(history)
    draw_curves(rows, best_epoch=int(find_best_row(rows, monitor)["epoch"]), path=path)


def draw_sheets(
    pictures: Pictures, y_prob: Float32, class_names: Sequence[str], *, n: int, folder: Path
) -> None:
    """Draw a sheet of wrong answers, the most confident first, and one of right answers, the first by id."""
    y_pred, confidence = y_prob.argmax(axis=1), y_prob.max(axis=1)
    wrong = np.flatnonzero(y_pred != pictures.y)
    right = np.flatnonzero(y_pred == pictures.y)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    for name, found, title in (
        ("right", right, "Right answers"),
        ("wrong", wrong, "Wrong answers, the most confident first"),
    ):
        shown = found[:n]
        captions = [
            f"{write_caption(class_names, pictures.y[i], y_pred[i])}, {confidence[i]:.0%}" for i in shown
        ]
        draw_sheet(
            pictures.gather(shown),
            captions,
            title=f"{title}: {len(shown)} of {len(found):,} ({len(pictures):,} test pictures)"
            if len(found)
            else f"{title}: there are none among {len(pictures):,} test pictures",
            path=folder / f"sheet_{name}.png",
        )


def write_caption(class_names: Sequence[str], true: int, predicted: int) -> str:
    """One class name, or two lines: the actual, then the predicted one."""
    if true == predicted:
        return shorten(class_names[true], 14)
    return f"{shorten(class_names[true], 18)}\n→ {shorten(class_names[predicted], 14)}"
