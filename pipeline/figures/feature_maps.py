"""feature_maps.png: what the filters of some layers make of one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.figures.drawing import new_figure, save, shorten
from pipeline.figures.tiles import (
    COMPRESS_LEVEL,
    GAP,
    MARGIN_IN,
    Uint8,
    add_canvas,
    add_tile,
    find_aspect,
    frame_tiles,
)

Float32 = npt.NDArray[np.float32]

_TILE_IN, _HEADING_IN, _TITLE_IN = 0.85, 0.3, 0.5
N_COLUMNS = 10


class LayerMaps(NamedTuple):
    """Maps of a layer [n, rows, columns], of n_maps in all."""

    name: str
    maps: Float32
    n_maps: int


def draw_feature_maps(picture: Uint8, layers: Sequence[LayerMaps], *, title: str, path: Path) -> None:
    """Draw the picture [height, width, channels], and below it a row of maps for each layer.

    A map is black where it is least, and white where it is most.
    """
    tile_h, pitch = _TILE_IN * find_aspect(picture[None]), _TILE_IN * (1 + GAP)
    row_h = tile_h + _HEADING_IN
    width_in = N_COLUMNS * pitch + 2 * MARGIN_IN
    height_in = _TITLE_IN + (len(layers) + 1) * row_h + MARGIN_IN
    figure = new_figure(width_in, height_in, is_constrained=False)
    figure.text(MARGIN_IN / width_in, 1 - 0.28 / height_in, shorten(title, 90), fontsize=11, parse_math=False)
    canvas, boxes = add_canvas(figure), []
    rows = [
        ("the picture", [picture]),
        *((_head(one), [_scale(each) for each in one.maps]) for one in layers),
    ]
    for number, (heading, tiles) in enumerate(rows):
        top = height_in - _TITLE_IN - number * row_h
        where = (MARGIN_IN / width_in, (top - 0.18) / height_in)
        figure.text(*where, heading, fontsize=9, parse_math=False)
        for column, tile in enumerate(tiles):
            boxes.append((MARGIN_IN + column * pitch, top - _HEADING_IN - tile_h + 0.04, _TILE_IN, tile_h))
            add_tile(canvas, tile, boxes[-1])
    frame_tiles(canvas, boxes)
    save(figure, path, compress_level=COMPRESS_LEVEL)


def _head(one: LayerMaps) -> str:
    rows, columns = one.maps.shape[1:]
    return f"{shorten(one.name, 40)}: the {len(one.maps)} busiest of {one.n_maps} maps, {rows} x {columns}"


def _scale(one: Float32) -> Uint8:
    low, high = float(one.min()), float(one.max())
    scaled = (one - low) / (high - low) if high > low else np.zeros_like(one)
    return np.asarray(np.rint(255 * scaled), np.uint8)[..., None]
