"""compare.png: one score per row of a table, as a dot with its interval."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.figures.drawing import Floats, new_figure, save, shorten, simplify_axes

_NAME = 44  # characters of a row's name
_MARGIN = 0.06  # of the range of values, on both sides
_LABEL_IN = 0.075  # inches of a character


def draw_score_dots(
    dots: tuple[Floats, Floats, Floats],
    names: Sequence[str],
    *,
    words: Sequence[str],
    kinds: Sequence[str],
    colours: dict[str, str],
    line: float,
    title: str,
    what: str,
    path: Path,
) -> None:
    """Draw a dot with its interval for each row, the first on top.

    Args:
        dots: value, low end and high end of every row; nan: none.
        words: what stands beside each dot.
        kinds: of each row, a key of `colours`; the legend names those that occur.
        line: where the dotted line is that dots are compared with; nan: none.
    """
    values, lows, highs = dots
    n = len(names)
    labels = [shorten(name, _NAME) for name in names]
    width_in = 6.5 + _LABEL_IN * max(map(len, labels), default=0)
    figure = new_figure(width_in, min(40.0, 1.7 + 0.3 * n))
    axes = figure.add_subplot()
    at, known = np.arange(n), ~np.isnan(values)
    for kind in [kind for kind in colours if kind in kinds]:
        chosen = known & (np.array(kinds) == kind)
        reach = np.nan_to_num(np.vstack([values - lows, highs - values])).clip(min=0)[:, chosen]
        axes.errorbar(
            *(values[chosen], at[chosen]),
            xerr=reach,
            fmt="o",
            color=colours[kind],
            markersize=6,
            elinewidth=1.6,
            capsize=3,
            label=kind,
        )
    if not np.isnan(line):
        axes.axvline(line, color="black", linestyle=":", linewidth=1)
    for i in range(n):
        beside = {"x": 1.01, "transform": axes.get_yaxis_transform()}
        axes.text(y=float(i), s=words[i], va="center", fontsize=9, parse_math=False, **beside)  # type: ignore[arg-type]
    ends = np.concatenate([values, lows, highs, [line]])
    if (~np.isnan(ends)).any():
        low, high = np.nanmin(ends), np.nanmax(ends)
        margin = _MARGIN * (high - low) or 0.05
        axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(n - 0.4, -0.6)
    axes.set_yticks(at, labels, fontsize=9, parse_math=False)
    axes.set_xlabel(what)
    simplify_axes(axes)
    figure.suptitle(shorten(title, 100), x=0.01, ha="left", fontsize=11, parse_math=False)
    if known.any():
        figure.legend(loc="outside lower left", ncols=3, fontsize=9, frameon=False)
    save(figure, path)
