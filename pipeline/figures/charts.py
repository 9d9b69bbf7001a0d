"""Charts of a training and its test: curves, the confusion matrix, bars a class and a fact."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import (
    BLUE,
    GREY,
    MAX_NUMBERED,
    ORANGE,
    RED,
    name_ticks,
    new_figure,
    plain,
    save,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.floating[Any]]


class ShortcutPanel(NamedTuple):
    """One audit as bars: a value (0..1) a fact, the most telling first, and lines to hold them against."""

    title: str
    names: Sequence[str]
    values: Sequence[float]
    accuracy: float
    chance: float


def curves(history: Sequence[Mapping[str, float]], *, best_epoch: int, path: Path) -> None:
    """Loss and accuracy by epoch, for training and validation; the best epoch is marked.

    Args:
        history: a row an epoch, each with epoch, loss, val_loss, accuracy and val_accuracy.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(10, 4)
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(history) < 3 else None
    for number, name in enumerate(("loss", "accuracy")):
        axes = figure.add_subplot(1, 2, number + 1)
        for column, color, label in ((name, BLUE, "training"), (f"val_{name}", ORANGE, "validation")):
            axes.plot(epochs, [row[column] for row in history], color=color, marker=marker, label=label)
        axes.axvline(best_epoch, color=GREY, linestyle=":", label=f"best epoch ({best_epoch})")
        axes.set_xlabel("epoch")
        axes.set_title(name, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axes)
    axes.legend(frameon=False, loc="best")
    save(figure, path)


def confusion(matrix: npt.NDArray[np.integer[Any]], class_names: Sequence[str], path: Path) -> None:
    """A confusion matrix [k, k]: rows the true class, columns the predicted, coloured by share of a row."""
    k = len(class_names)
    side = min(14.0, 3.4 + 0.45 * k)
    figure = new_figure(side + 0.8, side)
    axes = figure.add_subplot()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if k <= MAX_NUMBERED:
        _number_cells(axes, matrix, share)
    name_ticks(axes, class_names, both=True)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    figure.colorbar(image, ax=axes, label="share of the actual class", shrink=0.8)
    save(figure, path)


def class_bars(
    values: Floats, lows: Floats, highs: Floats, class_names: Sequence[str], *, what: str, path: Path
) -> None:
    """A horizontal bar a class (value in 0..1, nan: none) with its interval, the first class on top."""
    k = len(class_names)
    figure = new_figure(7, min(40.0, 1.2 + 0.3 * k))
    axes = figure.add_subplot()
    at = np.arange(k)
    known = ~np.isnan(values)
    axes.barh(at, np.nan_to_num(values), color=BLUE, height=0.7)
    reach = np.nan_to_num(np.vstack([values - lows, highs - values])).clip(min=0)
    axes.errorbar(values[known], at[known], xerr=reach[:, known], fmt="none", ecolor="black", capsize=2)
    axes.set_xlim(0, 1.12)
    axes.set_xticks(np.linspace(0, 1, 6))
    for i in np.flatnonzero(known):
        axes.text(max(highs[i], values[i]) + 0.015, float(i), f"{values[i]:.2f}", va="center", fontsize=8)
    axes.set_ylim(k - 0.4, -0.6)
    name_ticks(axes, class_names, both=False)
    axes.set_xlabel(what)
    plain(axes)
    save(figure, path)


def shortcut_bars(panels: Sequence[ShortcutPanel], path: Path) -> None:
    """A panel an audit: how well each fact alone predicts the class, against all facts and chance."""
    n_bars = max(1, *(len(panel.names) for panel in panels))
    figure = new_figure(5.2 * len(panels), 1.6 + 0.28 * n_bars)
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        at = np.arange(len(panel.names))
        axes.barh(at, panel.values, color=BLUE, height=0.7)
        axes.axvline(panel.accuracy, color=RED, label=f"all facts ({panel.accuracy:.2f})")
        axes.axvline(panel.chance, color=GREY, linestyle=":", label=f"chance ({panel.chance:.2f})")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(n_bars - 0.4, -0.6)
        axes.set_yticks(at, panel.names, fontsize=9, parse_math=False)
        axes.set_xlabel("accuracy out of fold")
        axes.set_title(panel.title, loc="left", fontsize=11)
        axes.legend(frameon=True, framealpha=1, edgecolor="none", loc="lower right", fontsize=8)
        plain(axes)
    save(figure, path)


def _number_cells(axes: "Axes", matrix: npt.NDArray[np.integer[Any]], share: Floats) -> None:
    size = 9 if matrix.max() < 1000 else 7
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=color, fontsize=size)
