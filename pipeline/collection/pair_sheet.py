"""pairs.png: near-duplicates as their files are, side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.collection.contact_sheets import draw_blank_tile
from pipeline.collection.near_search import N_BITS
from pipeline.collection.thumbnails import make_thumbnails
from pipeline.figures.pairs import TILE_PX, draw_pictures_in_pairs
from pipeline.images.recipe import Scales
from pipeline.sources import Source

_SHOWN = 12


class Limits(NamedTuple):
    """What decoding a file may take, as `thumbnails.make_thumbnails` has it."""

    formats: Sequence[str]
    max_pixels: int
    max_seconds: float
    scales: Scales = ()


def choose_pairs(pairs: pa.Table) -> list[dict[str, Any]]:
    """The rows of the least similar pairs, which show whether the threshold is right."""
    order = [("distance", "descending"), ("id_a", "ascending"), ("id_b", "ascending")]
    rows: list[dict[str, Any]] = pairs.sort_by(order).slice(0, _SHOWN).to_pylist()
    return rows


def draw_pairs(pairs: pa.Table, source: Source, limits: Limits, path: Path) -> None:
    """Draw the least similar pairs side by side, as their files are; the source is read once more for these.

    A file that cannot be decoded now is a crossed grey tile.
    """
    rows = choose_pairs(pairs)
    keys = [row[f"key_{end}"] for row in rows for end in "ab"]
    records = source.pick_records(set(keys)) if keys else ()
    files = ((record.key, record.data) for record in records if record.refusal is None)
    tiles = make_thumbnails(files, side_px=TILE_PX, **limits._asdict()) if keys else {}
    pictures = [tiles.get(key, draw_blank_tile(TILE_PX)) for key in keys]
    notes = [_describe_pair(row["distance"], row["orientation"]) for row in rows]
    least = f"the {len(rows)} least alike of {len(pairs):,} pairs" if len(rows) < len(pairs) else ""
    several = f"{len(pairs):,} pairs, the least alike first" if len(pairs) > 1 else "1 pair"
    title = f"Near-duplicates: {least or several}"
    draw_pictures_in_pairs(
        np.array(pictures, np.uint8), keys, notes, title=title if rows else "Near-duplicates: none", path=path
    )


def _describe_pair(distance: int, orientation: str) -> str:
    """How far apart two fingerprints are, and how the first picture is turned to look like the second."""
    how = "" if orientation == "upright" else f", {orientation}"
    return f"{distance} of {N_BITS} bits differ{how}"
