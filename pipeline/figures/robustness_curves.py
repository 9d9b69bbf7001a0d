"""robustness.png: the accuracy under each alteration, by severity."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.figures.drawing import BLUE, GREY, new_figure, save, simplify_axes

_PANELS_A_ROW = 5


class Curve(NamedTuple):
    """The accuracy under an alteration from severity 0 on, with the ends of its intervals."""

    name: str
    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]


def draw_robustness(curves: Sequence[Curve], *, chance: float, title: str, path: Path) -> None:
    """Draw one small panel for each curve, all on one scale, with the accuracy of guessing as a line."""
    n_rows = -(-len(curves) // _PANELS_A_ROW)
    figure = new_figure(11, 0.9 + 2.1 * n_rows)
    grid = figure.subplots(n_rows, _PANELS_A_ROW, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(curves) :]:
        axes.set_axis_off()
    for number, (axes, curve) in enumerate(zip(grid.flat, curves, strict=False)):
        at = np.arange(len(curve.values))
        axes.fill_between(at, curve.lows, curve.highs, color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(at, curve.values, color=BLUE, marker="o", markersize=3)
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1)
        axes.set_title(curve.name, loc="left", fontsize=10)
        axes.set_ylim(0, 1.02)
        axes.set_xticks(at)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.tick_params(labelsize=8, labelbottom=number + _PANELS_A_ROW >= len(curves))
        simplify_axes(axes)
    figure.supxlabel("severity (0: the picture as it is)", fontsize=9)
    figure.supylabel("accuracy", fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save(figure, path)
