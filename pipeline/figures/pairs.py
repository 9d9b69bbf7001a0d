"""Pairs of pictures side by side, two pairs a row, for a person to judge."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.figures.drawing import new_figure, save, shorten
from pipeline.figures.tiles import COMPRESS_LEVEL, MARGIN_IN, Uint8, add_canvas, add_tile, frame_tiles

TILE_PX = 180  # the side of a picture, drawn pixel by pixel
_TILE_IN = TILE_PX / 100
_ROW_IN, _PAIR_IN = _TILE_IN + 0.72, 2 * _TILE_IN + 0.5
_TITLE_IN = 7.0
_PAIRS_A_ROW = 2


def draw_pictures_in_pairs(
    pictures: Uint8, names: Sequence[str], notes: Sequence[str], *, title: str, path: Path
) -> None:
    """Draw pairs: the note over both pictures, its name under each.

    Args:
        pictures: uint8 [2 n, TILE_PX, TILE_PX, 3], the two of a pair one after the other; n may be 0.
        names: of the pictures [2 n].
        notes: of the pairs [n].
    """
    n_rows = -(-len(notes) // _PAIRS_A_ROW)
    n_columns = min(len(notes), _PAIRS_A_ROW)
    width_in, height_in = max(MARGIN_IN + n_columns * _PAIR_IN, _TITLE_IN), 0.55 + n_rows * _ROW_IN
    figure = new_figure(width_in, height_in, is_constrained=False)
    figure.text(MARGIN_IN / width_in, 1 - 0.3 / height_in, title, fontsize=11, parse_math=False)
    canvas, boxes = add_canvas(figure), []
    for at, note in enumerate(notes):
        left = MARGIN_IN + (at % _PAIRS_A_ROW) * _PAIR_IN
        top = height_in - 0.55 - (at // _PAIRS_A_ROW) * _ROW_IN
        figure.text(left / width_in, (top - 0.16) / height_in, note, fontsize=9)
        for end in (0, 1):
            x, bottom = left + end * (_TILE_IN + 0.06), top - 0.22 - _TILE_IN
            boxes.append((x, bottom, _TILE_IN, _TILE_IN))
            add_tile(canvas, np.asarray(pictures[2 * at + end]), boxes[-1])
            words = _break_name(names[2 * at + end])
            where = (x / width_in, (bottom - 0.04) / height_in)
            figure.text(*where, words, fontsize=7, va="top", linespacing=1.05, parse_math=False)
    frame_tiles(canvas, boxes)
    save(figure, path, compress_level=COMPRESS_LEVEL)


def _break_name(name: str, line: int = 27) -> str:
    """A name on one line or two: a long one is cut in its middle."""
    text = shorten(name, 2 * line)
    return f"{text[:line]}\n{text[line:]}" if len(text) > line else text
