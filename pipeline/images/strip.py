"""A few pictures side by side as one small picture, for a page."""

import numpy as np
from numpy.typing import NDArray

Uint8 = NDArray[np.uint8]

_GAP_PX = 6  # white, between two pictures


def make_strip(pictures: Uint8, *, height_px: int) -> Uint8:
    """Pictures uint8 [n, height, width, channels], n at least 1, in a row: uint8 [height_px, w, channels].

    Smaller pictures are enlarged without smoothing, so that a digit of 8 x 8 pixels shows what it is.
    """
    from PIL import Image

    _, height, width, channels = pictures.shape
    how = Image.Resampling.NEAREST if height < height_px else Image.Resampling.BOX
    size = (max(1, round(width * height_px / height)), height_px)
    tiles = []
    for picture in pictures:
        image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
        tiles += [np.array(image.resize(size, how), np.uint8).reshape(height_px, size[0], channels)]
        tiles += [np.full((height_px, _GAP_PX, channels), 255, np.uint8)]
    return np.concatenate(tiles[:-1], axis=1)
