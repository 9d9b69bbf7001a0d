"""confusion.png: what was predicted for each class. confusion_altered.png: the same, clean and altered."""

from collections.abc import Mapping, Sequence
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
    share = _share_rows(matrix)
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


def draw_confusions(
    matrices: Mapping[str, Ints], class_names: Sequence[str], *, title: str, path: Path
) -> None:
    """Draw confusion matrices [k, k] side by side, by their names; cells hold the percent of their row."""
    k = len(class_names)
    side = min(9.0, 1.6 + 0.32 * k)
    figure = new_figure(len(matrices) * side + 1.6, side + 0.7)
    grid = figure.subplots(1, len(matrices), squeeze=False)[0]
    for number, (axes, (name, matrix)) in enumerate(zip(grid, matrices.items(), strict=True)):
        share = _share_rows(matrix)
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        if k <= MAX_NUMBERED:
            for row, column in np.argwhere(share >= 0.005):
                color = "white" if share[row, column] > 0.5 else "black"
                percent = f"{100 * share[row, column]:.0f}"
                axes.text(column, row, percent, ha="center", va="center", color=color, fontsize=8)
        name_ticks(axes, class_names, both=True)
        if number:
            axes.set_yticks(axes.get_yticks(), [""] * len(axes.get_yticks()))
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xlabel("predicted")
    grid[0].set_ylabel("actual")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.colorbar(image, ax=list(grid), label="share of the actual class", shrink=0.8)
    save(figure, path)


def _share_rows(matrix: Ints) -> Floats:
    return np.asarray(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))


def _number_cells(axes: "Axes", matrix: Ints, share: Floats) -> None:
    size = 9 if matrix.max() < 1000 else 7
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=color, fontsize=size)
