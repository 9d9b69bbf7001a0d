"""Measures of a picture's pixels: plain NumPy on a small uint8 picture, about 0.2 ms for 64 x 64 pixels."""

import math

import numpy as np
from numpy.typing import NDArray

_WHITE = 240  # luma from here on counts as paper or background
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_LEVELS = np.arange(256) / 255
_GRID_PX = 8  # the blocks of JPEG
_NEAR_PX = 4  # apart: far enough to span a line, near enough for only a small step of a shading


def measure(picture: NDArray[np.uint8]) -> dict[str, float]:
    """Measures of a uint8 picture [height, width, 1 or 3]; they depend on its scale.

    Returns:
        brightness, contrast: mean and standard deviation of luma / 255.
        local_contrast: the largest difference / 255, in any channel, between pixels 4 apart in a row or
            column. A word on a page gives 0.1 and more, uneven light on an empty page 0.02.
        sharpness: variance of the Laplacian of luma (0..255; Pech-Pacheco et al. 2000).
        entropy: of the histogram of luma, in bits, 0..8.
        colourfulness: M3 of Hasler and Suesstrunk (2003), 0 for grey to about 110.
        share_white: share of pixels with luma of at least 240.
        border_brightness, border_spread: mean and standard deviation of luma / 255 of the outermost ring.
        border_tint: mean of (red - blue) / 255 of the ring: above 0 is warm, as yellowed paper is.
    """
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)
    luma = _compute_luma(planes)
    shares = np.bincount(luma.astype(np.uint8).ravel(), minlength=256) / luma.size
    brightness = float(shares @ _LEVELS)
    border, border_spread = _compute_mean_and_spread(_cut_ring(luma))
    is_grey = len(planes) == 1
    return {
        "brightness": brightness,
        "contrast": float(np.sqrt(shares @ (_LEVELS - brightness) ** 2)),
        "local_contrast": _measure_local_contrast(planes) / 255,
        "sharpness": _measure_sharpness(luma),
        "entropy": _measure_entropy(shares),
        "colourfulness": 0.0 if is_grey else _measure_colourfulness(planes),
        "share_white": float(shares[_WHITE:].sum()),
        "border_brightness": border / 255,
        "border_tint": 0.0 if is_grey else _measure_tint(planes),
        "border_spread": border_spread / 255,
    }


def measure_residues(picture: NDArray[np.uint8]) -> dict[str, float]:
    """What `measure` says of a developed picture, and what its making may have left in it.

    Returns:
        blockiness: how much more luma steps on the lines of the 8 x 8 grid than elsewhere, as a share of the
            mean step (after Wang, Bovik and Evans 2000); 0 where there is none.
        content_aspect: width / height of what lies inside a plain white frame: padding keeps the original's
            aspect.
    """
    luma = _compute_luma(picture.transpose(2, 0, 1).astype(np.float32))
    steps = [_measure_grid_excess(luma), _measure_grid_excess(luma.T)]
    return measure(picture) | {
        "blockiness": float(np.mean(steps)),
        "content_aspect": _measure_content_aspect(luma),
    }


def _compute_luma(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Luma 0..255 of planes [1 or 3, height, width], in whole numbers: grey measures the same in colour."""
    if len(planes) == 1:
        return np.asarray(planes[0])
    return np.asarray(np.rint(_LUMA[0] * planes[0] + _LUMA[1] * planes[1] + _LUMA[2] * planes[2]))


def _cut_ring(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """The outermost pixels of a plane [height, width]."""
    return np.concatenate((plane[0], plane[-1], plane[1:-1, 0], plane[1:-1, -1]))


def _compute_mean_and_spread(values: NDArray[np.float32]) -> tuple[float, float]:
    """Mean and standard deviation; ten times as fast as NumPy's own for a few thousand values."""
    flat = values.ravel()
    mean = float(flat.sum(dtype=np.float64)) / flat.size
    off = flat - np.float32(mean)
    return mean, float(np.sqrt(np.einsum("i,i", off, off, dtype=np.float64) / flat.size))


def _measure_tint(planes: NDArray[np.float32]) -> float:
    return _compute_mean_and_spread(_cut_ring(planes[0] - planes[2]))[0] / 255


def _measure_sharpness(luma: NDArray[np.float32]) -> float:
    if min(luma.shape) < 3:
        return 0.0
    across = luma[1:-1, :-2] + luma[1:-1, 2:]
    down = luma[:-2, 1:-1] + luma[2:, 1:-1]
    return _compute_mean_and_spread(across + down - 4 * luma[1:-1, 1:-1])[1] ** 2


def _measure_local_contrast(planes: NDArray[np.float32]) -> float:
    steps = [0.0]
    for lines in (planes, planes.transpose(0, 2, 1)):
        apart = min(_NEAR_PX, max((lines.shape[2] - 1) // 2, 1))
        steps.append(float(np.abs(lines[..., apart:] - lines[..., :-apart]).max(initial=0.0)))
    return max(steps)


def _measure_entropy(shares: NDArray[np.float64]) -> float:
    known = shares[shares > 0]
    return float(-(known * np.log2(known)).sum()) + 0.0


def _measure_colourfulness(planes: NDArray[np.float32]) -> float:
    red, green, blue = planes
    mean_1, spread_1 = _compute_mean_and_spread(red - green)
    mean_2, spread_2 = _compute_mean_and_spread((red + green) * np.float32(0.5) - blue)
    return math.hypot(spread_1, spread_2) + 0.3 * math.hypot(mean_1, mean_2)


def _measure_grid_excess(luma: NDArray[np.float32]) -> float:
    """Mean step of luma across the grid's columns minus that elsewhere, divided by the mean of all steps."""
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    is_line = np.arange(1, len(steps) + 1) % _GRID_PX == 0
    if not is_line.any() or not steps.any():
        return 0.0
    return float((steps[is_line].mean() - steps[~is_line].mean()) / steps.mean())


def _measure_content_aspect(luma: NDArray[np.float32]) -> float:
    is_ink = luma < 255
    rows, columns = (np.flatnonzero(is_ink.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return float(luma.shape[1] / luma.shape[0])
    return float((columns[-1] - columns[0] + 1) / (rows[-1] - rows[0] + 1))
