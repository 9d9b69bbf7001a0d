"""Pictures as tiles on a figure, fast for many of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import DPI

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Uint8 = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, bottom, width, height

TILE_IN = 1.15  # a picture on a sheet, inches
GAP = 0.04  # between tiles, as a share of one
MARGIN_IN = 0.1
COMPRESS_LEVEL = 1  # pictures hardly compress, and level 6 takes a third of a sheet's time


def add_canvas(figure: "Figure") -> "Axes":
    """One invisible pair of axes over the whole figure, in inches: a pair per picture would take 10 ms."""
    width_in, height_in = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width_in)
    axes.set_ylim(0, height_in)
    axes.set_axis_off()
    return axes


def add_tile(axes: "Axes", picture: Uint8, box_in: Box) -> None:
    """Draw one picture on a canvas, into a box (left, bottom, width, height) in inches."""
    from matplotlib.image import AxesImage

    left, bottom, width, height = box_in
    image = AxesImage(
        axes,
        interpolation="nearest" if max(picture.shape) < DPI * width else "antialiased",
        extent=(left, left + width, bottom, bottom + height),
        origin="upper",
    )
    image.set_data(picture.repeat(3, axis=-1) if picture.shape[-1] == 1 else picture)
    axes.add_image(image)


def frame_tiles(axes: "Axes", boxes_in: Sequence[Box]) -> None:
    """Draw a thin line around each tile, all at once: white pages need an edge on white paper."""
    from matplotlib.collections import PolyCollection

    corners = [
        ((left, bottom), (left + width, bottom), (left + width, bottom + height), (left, bottom + height))
        for left, bottom, width, height in boxes_in
    ]
    axes.add_collection(PolyCollection(corners, facecolors="none", edgecolors="#d6d6d6", linewidths=0.5))


def find_aspect(pictures: Uint8) -> float:
    """Height divided by width, within what a sheet can show."""
    return float(np.clip(pictures.shape[1] / pictures.shape[2], 0.4, 2.5))
