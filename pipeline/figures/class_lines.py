"""roc.png, precision_recall.png: one line per class between 0 and 1."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.figures.drawing import GREY, Floats, new_figure, save, shorten, simplify_axes

MAX_LINES = 10  # more cannot be told apart


def draw_class_lines(
    lines: Sequence[tuple[Floats, Floats]],
    names: Sequence[str],
    *,
    is_chance_diagonal: bool,
    title: str,
    axes_names: tuple[str, str],
    path: Path,
) -> None:
    """Draw a line (x, y) for each class, as steps where the diagonal is not chance; no line: the title alone.

    Args:
        names: what the legend calls each line.
        axes_names: of the x axis and of the y axis.
    """
    from matplotlib import colormaps

    figure = new_figure(6.4, 5.4)
    axes = figure.add_subplot()
    for number, (x, y) in enumerate(lines[:MAX_LINES]):
        style = "default" if is_chance_diagonal else "steps-pre"
        color = colormaps["tab10"](number % 10)
        axes.plot(x, y, color=color, drawstyle=style, linewidth=1.6, clip_on=False, label=f"line {number}")
    if is_chance_diagonal:
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel(axes_names[0])
    axes.set_ylabel(axes_names[1])
    simplify_axes(axes)
    if len(lines):
        legend = axes.legend(
            loc="lower right" if is_chance_diagonal else "lower left",
            frameon=True,
            framealpha=0.9,
            edgecolor="none",
            fontsize=8,
        )
        for text, name in zip(legend.get_texts(), names, strict=False):
            text.set_parse_math(False)
            text.set_text(shorten(name, 40))
    figure.suptitle(shorten(title, 90), x=0.01, ha="left", fontsize=11, parse_math=False)
    save(figure, path)
