"""classes.png: how the pictures of each class are divided."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.figures.drawing import (
    BLUE,
    GREY,
    MANY_CLASSES,
    ORANGE,
    TEAL,
    Ints,
    choose_classes,
    name_ticks,
    new_figure,
    save,
    shorten,
    simplify_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = (BLUE, ORANGE, TEAL, GREY)


def draw_class_shares(
    counts: Ints, class_names: Sequence[str], part_names: Sequence[str], *, title: str, path: Path
) -> None:
    """Draw one bar per class, divided into parts, with counts and percentages beside it; all classes on top.

    Args:
        counts: whole numbers [k, parts]. Of more than MAX_CLASSES, the smallest are shown.
    """
    shown = choose_classes(-counts.sum(axis=1))
    note = "" if len(shown) == len(counts) else f" (the {len(shown)} smallest of {len(counts):,} classes)"
    figure = new_figure(11, 1.7 + 0.26 * len(shown))
    bars, words = figure.subplots(1, 2, width_ratios=[1, 1.15])
    _stack_bars(bars, counts[shown], part_names)
    bars.set_ylim(len(shown) - 0.4, -1.6)
    name_ticks(bars, [class_names[i] for i in shown], both=False)
    bars.set_xlabel("pictures")
    bars.xaxis.set_major_formatter("{x:,.0f}")
    bars.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(part_names), fontsize=9)
    _write_counts(words, counts[shown], counts.sum(axis=0), part_names)
    words.set_ylim(bars.get_ylim())
    figure.suptitle(f"{title}{note}", x=0.01, ha="left", fontsize=12, parse_math=False)
    save(figure, path)


def _stack_bars(axes: "Axes", counts: Ints, part_names: Sequence[str]) -> None:
    left = np.zeros(len(counts))
    for part, name in enumerate(part_names):
        at = np.arange(len(counts))
        axes.barh(at, counts[:, part], left=left, height=0.72, color=_COLORS[part], label=name)
        left += counts[:, part]
    simplify_axes(axes)


def _write_counts(axes: "Axes", counts: Ints, total: Ints, part_names: Sequence[str]) -> None:
    """Write the numbers as a table: one line per class beside its bar, and all classes together above."""
    axes.set_xlim(0, 1)
    axes.set_axis_off()
    n_columns = len(part_names) + 1
    size = 9 if len(counts) <= MANY_CLASSES else 7.5
    for at, row in [(-1, total), *enumerate(counts)]:
        n = int(row.sum())
        weight = "bold" if at < 0 else "normal"
        cells = [f"{n:,}" + (" in all" if at < 0 else "")]
        cells += [f"{part:,} ({part / max(n, 1):.1%})" for part in row]
        for column, cell in enumerate(cells):
            x = (column + 0.9) / n_columns
            text = axes.text(x, at, cell, ha="right", va="center", fontsize=size, fontweight=weight)
            text.set_in_layout(False)  # 400 texts: the layout would take 2 s to measure them
    for column, name in enumerate(["pictures", *part_names]):
        x = (column + 0.9) / n_columns
        axes.text(
            x, -2.0, shorten(name), ha="right", va="center", fontsize=size, color=GREY, parse_math=False
        )
