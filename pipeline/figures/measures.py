"""measures.png: what the images of a collection measure, class by class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.figures.boxes import LEGEND, BoxPanel, draw_boxes
from pipeline.figures.drawing import MANY_CLASSES, choose_classes, name_ticks, new_figure, save

_PANELS_A_ROW = 3


def draw_measures(panels: Sequence[BoxPanel], class_names: Sequence[str], *, title: str, path: Path) -> None:
    """Draw one panel per measure, with one box per class: middle half, median, line from 5 % to 95 %."""
    shown = choose_classes(np.zeros(len(class_names)))
    names = [class_names[i] for i in shown]
    n_rows = -(-len(panels) // _PANELS_A_ROW)
    row_in = 0.9 + (0.24 if len(shown) <= MANY_CLASSES else 0.13) * max(len(shown), 3)
    figure = new_figure(12, 0.7 + n_rows * row_in)
    grid = figure.subplots(n_rows, _PANELS_A_ROW, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_axis_off()
            continue
        draw_boxes(axes, panels[number]._replace(quantiles=panels[number].quantiles[shown]), names)
        if number % _PANELS_A_ROW == 0:
            name_ticks(axes, names, both=False)
        else:
            axes.set_yticks([])  # 500 of them would take 5 ms each
            lines = {"color": "#b0b0b0", "alpha": 0.25, "linewidth": 0.8, "zorder": 0.5}
            axes.hlines(range(len(names)), 0, 1, transform=axes.get_yaxis_transform(), **lines)
    note = "" if len(shown) == len(class_names) else f" (first {len(shown)} of {len(class_names):,} classes)"
    figure.suptitle(f"{title}{note} ({LEGEND})", x=0.01, ha="left", fontsize=12)
    save(figure, path)
