"""Thumbnails of a few files that someone asks to see, made in worker processes.

This module is what a worker imports, so it holds nothing heavy.
"""

import functools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.picture import make_thumbnail
from pipeline.images.recipe import Scales
from pipeline.workers import Crew

Thumbnail = NDArray[np.uint8]


def make_thumbnails(
    files: Iterable[tuple[str, bytes]],
    *,
    side_px: int,
    formats: Sequence[str],
    max_pixels: int,
    max_seconds: float,
    scales: Scales = (),
) -> dict[str, Thumbnail]:
    """The thumbnails, uint8 [side_px, side_px, 3], of named files; those that cannot be decoded are left out.

    A file that crashes its decoder, or takes longer than `max_seconds` of computing time, cannot.
    """
    make = functools.partial(
        make_if_possible, side_px=side_px, formats=tuple(formats), max_pixels=max_pixels, scales=scales
    )
    with Crew(make, max_seconds=max_seconds, lost=lambda *_: None) as crew:
        made = crew.map(files, n_bytes=len, chunk_items=8)
        return {name: thumbnail for name, thumbnail in made if thumbnail is not None}


def make_if_possible(
    data: bytes, *, side_px: int, formats: Sequence[str], max_pixels: int, scales: Scales = ()
) -> Thumbnail | None:
    """As `images.picture.make_thumbnail`; None if the file cannot be decoded."""
    try:
        return make_thumbnail(data, side_px=side_px, formats=formats, max_pixels=max_pixels, scales=scales)
    except (ImageError, MemoryError):
        return None
