"""sizes.png: how large the images of a collection are."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.figures.boxes import LEGEND, BoxPanel, draw_boxes, find_range, name_powers
from pipeline.figures.drawing import (
    GREY,
    Floats,
    Ints,
    choose_classes,
    name_ticks,
    new_figure,
    save,
    simplify_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_BINS = 48  # per side of the histogram


def draw_sizes(
    width_px: Ints, height_px: Ints, long_side: Floats, class_names: Sequence[str], path: Path
) -> None:
    """Draw how often each width x height occurs, and beside it the longer side per class.

    If all have one size, or there is none, the figure is a sentence.

    Args:
        width_px, height_px: of every picture, the same length, which may be 0.
        long_side: QUANTILES per class [k, 5], in pixels; nan: no picture.
    """
    if sentence := say_one_size(width_px, height_px):
        figure = new_figure(11, 0.7, is_constrained=False)
        figure.text(0.01, 0.5, sentence, fontsize=12, va="center")
        save(figure, path)
        return
    shown = choose_classes(np.zeros(len(class_names)))
    height_in = max(4.6, 1.4 + 0.24 * len(shown))
    figure = new_figure(11, height_in)
    both, boxes = figure.subplots(1, 2, width_ratios=[1.15, 1])
    _draw_histogram(both, width_px, height_px)
    names = [class_names[i] for i in shown]
    row_pt = 72 * (height_in - 1.4) / len(shown)
    draw_boxes(boxes, BoxPanel("longer side, pixels", long_side[shown], is_log=True), names, row_pt=row_pt)
    name_ticks(boxes, names, both=False)
    figure.suptitle(f"Sizes of {len(width_px):,} images ({LEGEND})", x=0.01, ha="left", fontsize=12)
    save(figure, path)


def say_one_size(width_px: Ints, height_px: Ints) -> str:
    """A sentence if all images have one size, or there is no image; otherwise ""."""
    sizes = np.unique(np.column_stack([width_px, height_px]), axis=0)
    if len(sizes) > 1:
        return ""
    if not len(sizes):
        return "There is no image whose size could be drawn."
    whose = f"All {len(width_px):,} images are" if len(width_px) > 1 else "The only image is"
    return f"{whose} {sizes[0, 0]} x {sizes[0, 1]} pixels (width x height)."


def _draw_histogram(axes: "Axes", width_px: Ints, height_px: Ints) -> None:
    """Draw width against height, on logarithmic scales of one range, darker where more images are."""
    from matplotlib.colors import LogNorm

    low, high = find_range(np.concatenate([width_px, height_px]))
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
        name_powers(axis, low, high)
    axes.set_anchor("NW")  # beside the first of many classes
    axes.figure.colorbar(mesh, cax=axes.inset_axes((1.03, 0, 0.04, 1)), label="images", format="{x:,.0f}")
    simplify_axes(axes)
