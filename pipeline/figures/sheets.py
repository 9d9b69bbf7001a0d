"""Sheets of pictures: captioned tiles, and originals beside their altered versions."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import DPI, new_figure, save, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Uint8 = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, bottom, width, height

_TILE_IN = 1.15  # a picture on a sheet, inches
_GAP = 0.04  # between tiles, as a share of one
_CAPTION_IN, _MARGIN_IN = 0.36, 0.1
_COMPRESS_LEVEL = 1  # pictures hardly compress, and 6 takes a third of a sheet's time
_TITLE_IN = 7.0  # the least width of a sheet: its title must fit


def sheet(
    pictures: Uint8,
    captions: Sequence[str],
    *,
    title: str,
    path: Path,
    n_columns: int = 8,
    tile_in: float = _TILE_IN,
) -> None:
    """Pictures [n, height, width, channels] in rows, each with a caption of one or two lines under it.

    A picture is `tile_in` inches wide, at 100 pixels an inch. With n = 0 the sheet is its title alone.
    """
    n = len(pictures)
    tile_h, tile_w, pitch = tile_in * _aspect(pictures), tile_in, tile_in * (1 + _GAP)
    row_h = tile_h + _CAPTION_IN
    n_used = min(n_columns, n)
    figure = new_figure(
        max(n_used * pitch + 2 * _MARGIN_IN, _TITLE_IN),
        0.55 + math.ceil(n / n_columns) * row_h,
        is_constrained=False,
    )
    width_in, height_in = figure.get_size_inches()
    figure.text(_MARGIN_IN / width_in, 1 - 0.3 / height_in, title, fontsize=11, parse_math=False)
    canvas, boxes = _canvas(figure), []
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = _MARGIN_IN + (i % n_columns) * pitch
        bottom = height_in - 0.45 - (i // n_columns) * row_h - tile_h
        boxes.append((left, bottom, tile_w, tile_h))
        _tile(canvas, picture, boxes[-1])
        at = ((left + tile_w / 2) / width_in, (bottom - 0.03) / height_in)
        figure.text(*at, caption, fontsize=6.5, ha="center", va="top", linespacing=1.05, parse_math=False)
    _frame(canvas, boxes)
    save(figure, path, compress_level=_COMPRESS_LEVEL)


def before_and_after(originals: Uint8, altered: npt.NDArray[np.uint8], *, title: str, path: Path) -> None:
    """A row a picture: the original on the left, its altered versions beside it.

    Args:
        originals: uint8 [n, height, width, channels], n at least 1.
        altered: uint8 [n, m, height, width, channels].
    """
    n, m = altered.shape[:2]
    tile_h, tile_w, pitch = _TILE_IN * _aspect(originals), _TILE_IN, _TILE_IN * (1 + _GAP)
    lefts = [_MARGIN_IN + column * pitch for column in (0.0, *(1.2 + i for i in range(m)))]
    row_h = tile_h + _GAP * _TILE_IN
    figure = new_figure(lefts[-1] + tile_w + _MARGIN_IN, 0.7 + n * row_h + _MARGIN_IN, is_constrained=False)
    width_in, height_in = figure.get_size_inches()
    figure.text(lefts[0] / width_in, 1 - 0.28 / height_in, short(title, 60), fontsize=11, parse_math=False)
    for left, text in ((lefts[0], "original"), (lefts[1], "altered")):
        figure.text(left / width_in, 1 - 0.6 / height_in, text, fontsize=9)
    canvas = _canvas(figure)
    for row in range(n):
        bottom = height_in - 0.68 - row * row_h - tile_h
        for left, picture in zip(lefts, (originals[row], *altered[row]), strict=True):
            _tile(canvas, picture, (left, bottom, tile_w, tile_h))
    save(figure, path, compress_level=_COMPRESS_LEVEL)


def _canvas(figure: "Figure") -> "Axes":
    """One invisible pair of axes over the whole figure, in inches: a pair a picture would take 10 ms each."""
    width_in, height_in = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width_in)
    axes.set_ylim(0, height_in)
    axes.set_axis_off()
    return axes


def _frame(axes: "Axes", boxes_in: Sequence[Box]) -> None:
    """A thin line around each tile, all at once: a white page on white paper would have no end."""
    from matplotlib.collections import PolyCollection

    corners = [
        ((left, bottom), (left + width, bottom), (left + width, bottom + height), (left, bottom + height))
        for left, bottom, width, height in boxes_in
    ]
    axes.add_collection(PolyCollection(corners, facecolors="none", edgecolors="#d6d6d6", linewidths=0.5))


def _tile(axes: "Axes", picture: Uint8, box_in: Box) -> None:
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


def _aspect(pictures: Uint8) -> float:
    """Height against width, within what a sheet can show."""
    return float(np.clip(pictures.shape[1] / pictures.shape[2], 0.4, 2.5))
