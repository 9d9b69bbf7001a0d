"""Boxes of a measure per class, as sizes.png and measures.png show them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.figures.drawing import BLUE, GREY, MANY_CLASSES, ORANGE, Floats, Ints, simplify_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # what a box shows
LEGEND = "box: middle half; orange: median; line: from 5 % to 95 %"
_MAX_TICKS = 6
_MAX_BOX_PT, _THIN_PT = 20, 12  # the highest box; the rows below which medians are thin
_ROOM = 1.4  # space around the values of a logarithmic axis, as a factor


class BoxPanel(NamedTuple):
    """One measure: its QUANTILES per class [k, 5] (nan: no picture), on a linear or logarithmic scale."""

    title: str
    quantiles: Floats
    is_log: bool = False


def draw_boxes(
    axes: "Axes", panel: BoxPanel, class_names: Sequence[str], *, row_pt: float | None = None
) -> None:
    """Draw boxes from quantiles, all together: matplotlib's own would take 5 ms each.

    Args:
        row_pt: the height of a row in points; None: that of measures.png.
    """
    row_pt = row_pt or (17 if len(class_names) <= MANY_CLASSES else 9)
    box_pt = min(0.58 * row_pt, _MAX_BOX_PT)
    reach = 0.62 * box_pt / row_pt  # a median is a little longer than its box is high
    quantiles = np.maximum(panel.quantiles, 1) if panel.is_log else panel.quantiles
    at = np.flatnonzero(~np.isnan(quantiles).any(axis=1))
    p5, p25, p50, p75, p95 = quantiles[at].T
    axes.hlines(at, p5, p95, color=GREY, linewidth=1)
    axes.hlines(at, p25, p75, color=BLUE, alpha=0.55, linewidth=box_pt)
    axes.vlines(p50, at - reach, at + reach, color=ORANGE, linewidth=3 if row_pt > _THIN_PT else 2)
    if panel.is_log:
        axes.set_xscale("log")
        low, high = find_range(quantiles[at])
        axes.set_xlim(low, high)
        name_powers(axes.xaxis, low, high)
    elif len(at) and float(p95.max() - p5.min()) < 1e-6:
        axes.set_xlim(float(p5.min()) - 0.5, float(p5.min()) + 0.5)
    for missing in set(range(len(class_names))) - set(at.tolist()):
        axes.text(
            0.02, missing, "none", transform=axes.get_yaxis_transform(), va="center", color=GREY, fontsize=8
        )
    axes.set_ylim(len(class_names) - 0.4, -0.6)
    axes.set_title(panel.title, loc="left", fontsize=10)
    simplify_axes(axes)


def find_range(values: Ints | Floats) -> tuple[float, float]:
    """The range of values with room around it; never empty."""
    known = values[values > 0]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 1.0)
    return low / _ROOM, high * _ROOM


def name_powers(axis: Any, low: float, high: float) -> None:
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
