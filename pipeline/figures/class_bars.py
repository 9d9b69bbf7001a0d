"""class_f1.png: one score per class with its interval."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.figures.drawing import BLUE, Floats, Ints, name_ticks, new_figure, save, simplify_axes


def draw_class_bars(
    bars: tuple[Floats, Floats, Floats],
    class_names: Sequence[str],
    *,
    n_of_class: Ints,
    title: str,
    what: str,
    path: Path,
) -> None:
    """Draw one bar per class with its interval, the first class on top.

    Args:
        bars: value, low end and high end of every class, in 0..1; nan: none.
        n_of_class: the number of pictures of each class.
    """
    values, lows, highs = bars
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
    name_ticks(axes, class_names, both=False, n_of_class=n_of_class)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes.set_xlabel(what)
    simplify_axes(axes)
    save(figure, path)
