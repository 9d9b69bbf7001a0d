"""reliability.png: how often answers are right, by the probability they were given."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import BLUE, GREY, new_figure, save, simplify_axes

Array = npt.NDArray[np.float64 | np.int64]


class Reliability(NamedTuple):
    """Answers in bins of equal width [n_bins]: how many, their mean probability, the share of right ones."""

    title: str
    n: Array
    confidence: Array
    accuracy: Array


def draw_reliability(panels: Sequence[Reliability], limit: float, path: Path) -> None:
    """Draw a diagram a panel; points on the diagonal mean what they say.

    Args:
        limit: the probability from which the model answers by itself; above 1, no line is drawn.
    """
    figure = new_figure(5 * len(panels), 4.4)
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="as probable as said")
        share = panel.n / max(panel.n.sum(), 1)
        width = 1 / len(panel.n)
        left = np.arange(len(panel.n)) * width
        axes.bar(left, share, width=width, align="edge", color=BLUE, alpha=0.2, label="share of the answers")
        axes.plot(panel.confidence, panel.accuracy, color=BLUE, marker="o", label="right answers")
        if limit <= 1:
            axes.axvline(limit, color=GREY, linewidth=1, label=f"answers from {limit:.2f} on")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("probability of the answer")
        axes.set_title(panel.title, loc="left", fontsize=11)
        simplify_axes(axes)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    save(figure, path)
