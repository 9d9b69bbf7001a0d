"""Sheets of pictures: tiles with captions."""

import math
from collections.abc import Sequence
from pathlib import Path

from pipeline.figures.drawing import new_figure, save
from pipeline.figures.tiles import (
    COMPRESS_LEVEL,
    GAP,
    MARGIN_IN,
    TILE_IN,
    Uint8,
    add_canvas,
    add_tile,
    find_aspect,
    frame_tiles,
)

_CAPTION_IN = 0.36
_TITLE_IN = 7.0  # the least width of a sheet: its title must fit


def draw_sheet(
    pictures: Uint8,
    captions: Sequence[str],
    *,
    title: str,
    path: Path,
    n_columns: int = 8,
    tile_in: float = TILE_IN,
) -> None:
    """Draw pictures [n, height, width, channels] in rows, each with a caption of one or two lines under it.

    A picture is `tile_in` inches wide, at 100 pixels an inch. Captions that are all empty take no room. With
    n = 0 the sheet is its title alone.
    """
    n = len(pictures)
    tile_h, tile_w, pitch = tile_in * find_aspect(pictures), tile_in, tile_in * (1 + GAP)
    row_h = tile_h + (_CAPTION_IN if any(captions) else tile_in * GAP)
    n_used = min(n_columns, n)
    figure = new_figure(
        max(n_used * pitch + 2 * MARGIN_IN, _TITLE_IN),
        0.55 + math.ceil(n / n_columns) * row_h,
        is_constrained=False,
    )
    width_in, height_in = figure.get_size_inches()
    figure.text(MARGIN_IN / width_in, 1 - 0.3 / height_in, title, fontsize=11, parse_math=False)
    canvas, boxes = add_canvas(figure), []
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = MARGIN_IN + (i % n_columns) * pitch
        bottom = height_in - 0.45 - (i // n_columns) * row_h - tile_h
        boxes.append((left, bottom, tile_w, tile_h))
        add_tile(canvas, picture, boxes[-1])
        at = ((left + tile_w / 2) / width_in, (bottom - 0.03) / height_in)
        figure.text(*at, caption, fontsize=6.5, ha="center", va="top", linespacing=1.05, parse_math=False)
    frame_tiles(canvas, boxes)
    save(figure, path, compress_level=COMPRESS_LEVEL)
