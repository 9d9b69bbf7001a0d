"""shortcuts.png: how well each fact alone predicts the class."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.figures.drawing import BLUE, GREY, RED, new_figure, save, simplify_axes


class ShortcutPanel(NamedTuple):
    """One audit as bars: a value (0..1) per fact, the most telling first, and two lines for comparison."""

    title: str
    names: Sequence[str]
    values: Sequence[float]
    accuracy: float
    chance: float


def draw_shortcut_bars(panels: Sequence[ShortcutPanel], path: Path) -> None:
    """Draw one panel per audit: how well each fact alone predicts the class, against all facts and chance."""
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
        simplify_axes(axes)
    save(figure, path)
