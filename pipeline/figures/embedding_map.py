"""embedding.png: pictures as points of a plane, coloured by class, with errors marked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.figures.drawing import GREY, Floats, Ints, new_figure, save, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_COLOURS = 20  # classes that a colour tells apart
_COLOURS = "tab10", "tab20"


def draw_embedding(
    layouts: Sequence[tuple[str, Floats | None]],
    y: Ints,
    is_right: Any,
    class_names: Sequence[str],
    *,
    title: str,
    path: Path,
) -> None:
    """Draw layouts, two a row: points [n, 2], or None for one that does not exist.

    Args:
        y: the class of each point [n]; is_right: bool [n]; a wrong one has a ring.
    """
    n_rows = -(-len(layouts) // 2)
    figure = new_figure(10, 0.8 + 4.2 * n_rows)
    grid = figure.subplots(n_rows, 2, squeeze=False)
    shown = [int(k) for k in np.unique(y)]
    for axes, (name, points) in zip(grid.flat, layouts, strict=False):
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        if points is None:
            axes.text(
                0.5, 0.5, "too few different pictures", transform=axes.transAxes, ha="center", color=GREY
            )
        else:
            _add_points(axes, points, y, is_right, shown)
    _add_legend(figure, grid[0, 0], shown, class_names)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save(figure, path)


def _add_points(axes: "Axes", points: Floats, y: Ints, is_right: Any, shown: Sequence[int]) -> None:
    size = float(np.clip(6000 / max(len(points), 1), 6, 40))
    for at, k in enumerate(shown):
        mine = points[y == k]
        axes.scatter(mine[:, 0], mine[:, 1], s=size, color=_choose_colour(at, len(shown)), linewidths=0)
    wrong = points[~is_right]
    axes.scatter(wrong[:, 0], wrong[:, 1], s=4 * size, facecolors="none", edgecolors="black", linewidths=0.8)


def _choose_colour(at: int, n: int) -> Any:
    from matplotlib import colormaps

    found = colormaps[_COLOURS[n > 10]]
    return found(at % found.N)


def _add_legend(figure: Any, axes: "Axes", shown: Sequence[int], class_names: Sequence[str]) -> None:
    """The names of the classes; none where there are more of them than colours."""
    from matplotlib.lines import Line2D

    dots: list[Line2D] = []
    if len(shown) <= MAX_COLOURS:
        for at, k in enumerate(shown):
            named = shorten(class_names[k], 18)
            dots.append(
                Line2D([], [], marker="o", linestyle="", color=_choose_colour(at, len(shown)), label=named)
            )
    ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": "black", "markersize": 9}
    dots.append(Line2D([], [], marker="o", linestyle="", label="answered wrong", **ring))
    legend = figure.legend(handles=dots, loc="outside right upper", frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
