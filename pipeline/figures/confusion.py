"""confusion.png: what was predicted for each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.figures.drawing import MAX_NUMBERED, Floats, Ints, name_ticks, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_confusion(matrix: Ints, class_names: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix [k, k]: rows the true class, columns the predicted, coloured by row share.

    A row's name holds its number of pictures: "8 (n=27)".
    """
    k = len(class_names)
    side = min(14.0, 3.4 + 0.45 * k)
    figure = new_figure(side + 0.8, side)
    axes = figure.add_subplot()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if k <= MAX_NUMBERED:
        _number_cells(axes, matrix, share)
    support = matrix.sum(axis=1)
    name_ticks(axes, class_names, both=True, n_of_class=support)
    n = int(support.sum())
    title = f"Answers to {n:,} test pictures: {np.trace(matrix):,} right, {n - np.trace(matrix):,} wrong"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    figure.colorbar(image, ax=axes, label="share of the actual class", shrink=0.8)
    save(figure, path)


def _number_cells(axes: "Axes", matrix: Ints, share: Floats) -> None:
    size = 9 if matrix.max() < 1000 else 7
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=color, fontsize=size)
