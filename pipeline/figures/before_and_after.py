"""Previews of augmentation: originals beside their altered versions."""

from pathlib import Path

from pipeline.figures.drawing import new_figure, save, shorten
from pipeline.figures.tiles import (
    COMPRESS_LEVEL,
    GAP,
    MARGIN_IN,
    TILE_IN,
    Uint8,
    add_canvas,
    add_tile,
    find_aspect,
)


def draw_before_and_after(originals: Uint8, altered: Uint8, *, title: str, path: Path) -> None:
    """Draw one row per picture: the original on the left, its altered versions beside it.

    Args:
        originals: uint8 [n, height, width, channels], n at least 1.
        altered: uint8 [n, m, height, width, channels].
    """
    n, m = altered.shape[:2]
    tile_h, tile_w, pitch = TILE_IN * find_aspect(originals), TILE_IN, TILE_IN * (1 + GAP)
    lefts = [MARGIN_IN + column * pitch for column in (0.0, *(1.2 + i for i in range(m)))]
    row_h = tile_h + GAP * TILE_IN
    figure = new_figure(lefts[-1] + tile_w + MARGIN_IN, 0.7 + n * row_h + MARGIN_IN, is_constrained=False)
    width_in, height_in = figure.get_size_inches()
    figure.text(lefts[0] / width_in, 1 - 0.28 / height_in, shorten(title, 60), fontsize=11, parse_math=False)
    for left, text in ((lefts[0], "original"), (lefts[1], "altered")):
        figure.text(left / width_in, 1 - 0.6 / height_in, text, fontsize=9)
    canvas = add_canvas(figure)
    for row in range(n):
        bottom = height_in - 0.68 - row * row_h - tile_h
        for left, picture in zip(lefts, (originals[row], *altered[row]), strict=True):
            add_tile(canvas, picture, (left, bottom, tile_w, tile_h))
    save(figure, path, compress_level=COMPRESS_LEVEL)
