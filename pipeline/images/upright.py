"""EXIF's orientations: how a stored picture is turned upright."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SIDEWAYS = 5  # orientations from here on swap width and height


def turn_upright(image: "Image", orientation: int | None) -> "Image":
    """The image as it is meant to be seen; any orientation but 2..8 leaves it as it is."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image
