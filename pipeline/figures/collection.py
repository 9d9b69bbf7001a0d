"""Pictures of a collection: how classes are divided, how large images are, what they measure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import BLUE, GREY, ORANGE, TEAL, name_ticks, new_figure, plain, save, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # what a box shows
MAX_CLASSES = 100  # a figure shows no more
_COLORS = (BLUE, ORANGE, TEAL, GREY)
_N_BINS = 48  # of a side, in a histogram of sizes
_PANELS_A_ROW = 3
_MAX_TICKS = 6
_ROOM = 1.4  # around the values of a logarithmic axis, as a factor
_MANY = 40  # classes, above which lines are thin
_BOX = "box: middle half; orange: median; line: from 5 % to 95 %"


class BoxPanel(NamedTuple):
    """One measure: its QUANTILES a class [k, 5] (nan: no picture), on a scale that may be logarithmic."""

    title: str
    quantiles: Floats
    is_log: bool = False


def class_shares(
    counts: Ints, class_names: Sequence[str], part_names: Sequence[str], *, title: str, path: Path
) -> None:
    """A bar a class, divided into parts, with counts and percentages beside it; all classes on top.

    Args:
        counts: whole numbers [k, parts]. Of more than MAX_CLASSES, the smallest are shown.
    """
    shown = _chosen(-counts.sum(axis=1))
    note = "" if len(shown) == len(counts) else f" (the {len(shown)} smallest of {len(counts):,} classes)"
    figure = new_figure(11, 1.7 + 0.26 * len(shown))
    bars, words = figure.subplots(1, 2, width_ratios=[1, 1.15])
    _stacked(bars, counts[shown], part_names)
    bars.set_ylim(len(shown) - 0.4, -1.6)
    name_ticks(bars, [class_names[i] for i in shown], both=False)
    bars.set_xlabel("pictures")
    bars.xaxis.set_major_formatter("{x:,.0f}")
    bars.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(part_names), fontsize=9)
    _count_columns(words, counts[shown], counts.sum(axis=0), part_names)
    words.set_ylim(bars.get_ylim())
    figure.suptitle(f"{title}{note}", x=0.01, ha="left", fontsize=12, parse_math=False)
    save(figure, path)


def size_map(
    width_px: Ints, height_px: Ints, long_side: Floats, class_names: Sequence[str], path: Path
) -> None:
    """How often each width x height occurs, and beside it the longer side a class.

    Args:
        width_px, height_px: of every picture, the same length, which may be 0.
        long_side: QUANTILES a class [k, 5], in pixels; nan: no picture.
    """
    shown = _chosen(np.zeros(len(class_names)))
    figure = new_figure(11, max(4.6, 1.4 + 0.24 * len(shown)))
    both, boxes = figure.subplots(1, 2, width_ratios=[1.15, 1])
    _size_histogram(both, width_px, height_px)
    names = [class_names[i] for i in shown]
    _boxes(boxes, BoxPanel("longer side, pixels", long_side[shown], is_log=True), names)
    name_ticks(boxes, names, both=False)
    figure.suptitle(f"Sizes of {len(width_px):,} images ({_BOX})", x=0.01, ha="left", fontsize=12)
    save(figure, path)


def measure_boxes(panels: Sequence[BoxPanel], class_names: Sequence[str], *, title: str, path: Path) -> None:
    """A panel a measure, a box a class: the middle half, its median, and a line from 5 % to 95 %."""
    shown = _chosen(np.zeros(len(class_names)))
    names = [class_names[i] for i in shown]
    n_rows = -(-len(panels) // _PANELS_A_ROW)
    row_in = 0.9 + (0.24 if len(shown) <= _MANY else 0.13) * max(len(shown), 3)
    figure = new_figure(12, 0.7 + n_rows * row_in)
    grid = figure.subplots(n_rows, _PANELS_A_ROW, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_axis_off()
            continue
        _boxes(axes, panels[number]._replace(quantiles=panels[number].quantiles[shown]), names)
        if number % _PANELS_A_ROW == 0:
            name_ticks(axes, names, both=False)
        else:
            axes.set_yticks([])  # of 500 ticks each would take 5 ms
            lines = {"color": "#b0b0b0", "alpha": 0.25, "linewidth": 0.8, "zorder": 0.5}
            axes.hlines(range(len(names)), 0, 1, transform=axes.get_yaxis_transform(), **lines)
    note = "" if len(shown) == len(class_names) else f" (first {len(shown)} of {len(class_names):,} classes)"
    figure.suptitle(f"{title}{note} ({_BOX})", x=0.01, ha="left", fontsize=12)
    save(figure, path)


def _chosen(score: Floats | Ints) -> list[int]:
    """Which classes are shown, in their order: those of the highest score, the first of equals."""
    best = np.argsort(-np.asarray(score, dtype=float), kind="stable")[:MAX_CLASSES]
    return sorted(int(i) for i in best)


def _stacked(axes: "Axes", counts: Ints, part_names: Sequence[str]) -> None:
    left = np.zeros(len(counts))
    for part, name in enumerate(part_names):
        at = np.arange(len(counts))
        axes.barh(at, counts[:, part], left=left, height=0.72, color=_COLORS[part], label=name)
        left += counts[:, part]
    plain(axes)


def _count_columns(axes: "Axes", counts: Ints, total: Ints, part_names: Sequence[str]) -> None:
    """The numbers as a table, a line a class level with its bar; above them all classes together."""
    axes.set_xlim(0, 1)
    axes.set_axis_off()
    n_columns = len(part_names) + 1
    size = 9 if len(counts) <= _MANY else 7.5
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
        axes.text(x, -2.0, short(name), ha="right", va="center", fontsize=size, color=GREY, parse_math=False)


def _size_histogram(axes: "Axes", width_px: Ints, height_px: Ints) -> None:
    """Width against height, on logarithmic scales of the same range, darker where more images are."""
    from matplotlib.colors import LogNorm

    low, high = _reach(np.concatenate([width_px, height_px]))
    edges = np.geomspace(low, high, _N_BINS + 1)
    counts, _, _ = np.histogram2d(width_px, height_px, bins=(edges, edges))
    axes.set_xscale("log")
    axes.set_yscale("log")
    most = max(counts.max(), 2)
    mesh = axes.pcolormesh(
        edges, edges, np.ma.masked_equal(counts.T, 0), cmap="viridis_r", norm=LogNorm(1, most)
    )
    axes.plot([low, high], [low, high], color=GREY, linestyle=":", linewidth=1)
    axes.set_aspect("equal")
    axes.set_xlabel("width, pixels (dotted: square)")
    axes.set_ylabel("height, pixels")
    for axis in (axes.xaxis, axes.yaxis):
        _name_powers(axis, low, high)
    axes.set_anchor("NW")  # beside the first of many classes
    axes.figure.colorbar(mesh, cax=axes.inset_axes((1.03, 0, 0.04, 1)), label="images", format="{x:,.0f}")
    plain(axes)


def _reach(values: Ints | Floats) -> tuple[float, float]:
    """The range of values with room around it; never empty."""
    known = values[values > 0]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 1.0)
    return low / _ROOM, high * _ROOM


def _name_powers(axis: Any, low: float, high: float) -> None:
    """Ticks at 1, 2 and 5 times powers of ten as plain numbers, fewer where the range is wide."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, StrMethodFormatter

    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in range(-3, 9) for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= _MAX_TICKS:
            break
    if len(ticks) < 2:  # a narrow range: its own ends
        ticks = sorted({round(low * _ROOM, 2), round(high / _ROOM, 2)})
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _boxes(axes: "Axes", panel: BoxPanel, class_names: Sequence[str]) -> None:
    """Boxes from quantiles, drawn together: matplotlib's own would take 5 ms each."""
    quantiles = np.maximum(panel.quantiles, 1) if panel.is_log else panel.quantiles
    at = np.flatnonzero(~np.isnan(quantiles).any(axis=1))
    p5, p25, p50, p75, p95 = quantiles[at].T
    axes.hlines(at, p5, p95, color=GREY, linewidth=1)
    axes.hlines(at, p25, p75, color=BLUE, alpha=0.55, linewidth=10 if len(class_names) <= _MANY else 5)
    axes.vlines(p50, at - 0.36, at + 0.36, color=ORANGE, linewidth=2)
    if panel.is_log:
        axes.set_xscale("log")
        low, high = _reach(quantiles[at])
        axes.set_xlim(low, high)
        _name_powers(axes.xaxis, low, high)
    elif len(at) and float(p95.max() - p5.min()) < 1e-6:
        axes.set_xlim(float(p5.min()) - 0.5, float(p5.min()) + 0.5)
    for missing in set(range(len(class_names))) - set(at.tolist()):
        axes.text(
            0.02, missing, "none", transform=axes.get_yaxis_transform(), va="center", color=GREY, fontsize=8
        )
    axes.set_ylim(len(class_names) - 0.4, -0.6)
    axes.set_title(panel.title, loc="left", fontsize=10)
    plain(axes)
