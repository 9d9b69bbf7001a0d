"""gradcam.png: pictures, and beside each what in it speaks for a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import new_figure, save
from pipeline.figures.tiles import (
    COMPRESS_LEVEL,
    GAP,
    MARGIN_IN,
    TILE_IN,
    Box,
    Uint8,
    add_canvas,
    add_tile,
    find_aspect,
    frame_tiles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float32 = npt.NDArray[np.float32]

_CAPTION_IN, _HEADING_IN, _TITLE_IN = 0.36, 0.3, 0.5
_N_COLUMNS = 6
_ORANGE = (1.0, 0.45, 0.0)
_OPACITY = 0.7


class Glow(NamedTuple):
    """A picture [height, width, channels], its caption, and the heat over it [rows, columns], 0..1."""

    picture: Uint8
    caption: str
    heat: Float32 | None = None


def draw_heat(blocks: Sequence[tuple[str, Sequence[Glow]]], *, title: str, path: Path) -> None:
    """Draw blocks of tiles, each under its heading, six tiles a row; what is hot is orange.

    Args:
        blocks: at least one tile in all; a block without tiles is its heading alone.
    """
    first = next(glow for _, glows in blocks for glow in glows)
    tile_h, pitch = TILE_IN * find_aspect(first.picture[None]), TILE_IN * (1 + GAP)
    n_rows = [-(-len(glows) // _N_COLUMNS) for _, glows in blocks]
    height_in = _TITLE_IN + sum(_HEADING_IN + rows * (tile_h + _CAPTION_IN) for rows in n_rows)
    width_in = _N_COLUMNS * pitch + 2 * MARGIN_IN
    figure = new_figure(width_in, height_in, is_constrained=False)
    left_share = MARGIN_IN / width_in
    figure.text(left_share, 1 - 0.28 / height_in, title, fontsize=11, parse_math=False)
    canvas, boxes, top = add_canvas(figure), [], height_in - _TITLE_IN
    for (heading, glows), rows in zip(blocks, n_rows, strict=True):
        figure.text(left_share, (top - 0.16) / height_in, heading, fontsize=9, parse_math=False)
        for i, glow in enumerate(glows):
            left = MARGIN_IN + (i % _N_COLUMNS) * pitch
            bottom = top - _HEADING_IN - (i // _N_COLUMNS) * (tile_h + _CAPTION_IN) - tile_h
            boxes.append((left, bottom, TILE_IN, tile_h))
            _add_glow(canvas, glow, boxes[-1])
            at = ((left + TILE_IN / 2) / width_in, (bottom - 0.03) / height_in)
            words: dict[str, Any] = {"fontsize": 6.5, "ha": "center", "va": "top", "linespacing": 1.05}
            figure.text(*at, glow.caption, parse_math=False, **words)
        top -= _HEADING_IN + rows * (tile_h + _CAPTION_IN)
    frame_tiles(canvas, boxes)
    save(figure, path, compress_level=COMPRESS_LEVEL)


def _add_glow(canvas: "Axes", glow: Glow, box: Box) -> None:
    """A picture; one with heat in grey, so that the heat is the only colour."""
    from matplotlib.image import AxesImage

    if glow.heat is None:
        add_tile(canvas, glow.picture, box)
        return
    grey = np.rint(glow.picture.mean(axis=-1, keepdims=True)).astype(np.uint8)
    add_tile(canvas, grey, box)
    left, bottom, width, height = box
    extent = (left, left + width, bottom, bottom + height)
    over = AxesImage(canvas, interpolation="bilinear", extent=extent, origin="upper")
    over.set_data(np.dstack([np.full(glow.heat.shape, part) for part in _ORANGE] + [_OPACITY * glow.heat]))
    canvas.add_image(over)
