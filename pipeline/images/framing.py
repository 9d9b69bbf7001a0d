"""A photograph from outside made like the pictures of a collection: one object, centred, of one size.

Networks that learned from digits or clothes know a light object in the middle of a dark square. A photograph
shows dark ink somewhere on paper in uneven light. Here the ground is taken for a smooth surface, what differs
from it is the object, and the object is put into the middle of a square.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Invert = Literal["auto", "yes", "no"]
Floats = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_N_FITS = 4  # of the ground: what is found to be the object is left out of the next one
_RING = 0.08  # of a side: the ground is first looked for here
_LEAST_STEP = 12.0  # of 255: what differs less from the ground is noise
_ALL_INK = 0.9  # a share of the picture; more is no object on a ground
_FULL = 95  # percentile of the object's difference from the ground that becomes full scale
_MIDDLE = 127.5


@dataclass(frozen=True)
class Framing:
    """How a picture is made alike.

    Attributes:
        content: the share of a side that the object takes; None: the picture stays as it is framed.
        invert: whether dark and light change places. `auto`: where the ground is not as that of the training.
        is_dark: whether the ground of the training pictures is dark. None: not known; then a light ground is
            taken for one that has to become dark.
        is_grey: whether the training pictures have no colours, however many channels they have.
    """

    content: float | None = None
    invert: Invert = "no"
    is_dark: bool | None = None
    is_grey: bool = False

    def inverts(self, *, is_dark_ground: bool) -> bool:
        """Whether a picture with such a ground is inverted."""
        if self.invert != "auto":
            return self.invert == "yes"
        return is_dark_ground != (True if self.is_dark is None else self.is_dark)


def frame(picture: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    """A picture [height, width, 1 or 3] made alike; a square where `content` is given.

    Without colours, uneven light is taken away as well, and the object gets the full scale. A picture in
    which no object is found is only inverted.
    """
    n_channels = picture.shape[2]
    whole = picture.astype(np.float32)
    if framing.is_grey:
        whole = _to_luma(whole)[..., None]
    ground = fit_ground(whole)
    box = find_object(whole - ground)
    if box is None:
        is_dark_ground = float(_to_luma(ground).mean()) < _MIDDLE
    else:  # paper in bad light may be darker than grey, and is lighter than its ink
        is_dark_ground = _is_lighter(_to_luma(whole - ground), box)
    if box is not None and framing.content:
        if whole.shape[2] == 1:
            whole, ground = _stretch_object(whole - ground, box, is_light=is_dark_ground)
        whole = _cut_square(whole, ground, box, framing.content)
    whole = 255 - whole if framing.inverts(is_dark_ground=is_dark_ground) else whole
    made = np.clip(np.rint(whole), 0, 255).astype(np.uint8)
    return made if made.shape[2] == n_channels else np.repeat(made, n_channels, axis=2)


def fit_ground(picture: Floats) -> Floats:
    """The ground of a picture [height, width, channels]: in each channel a surface of the second degree.

    It is fitted to the border first, then to all that lies near it, so that an object at the border, or
    uneven light, does no harm.
    """
    height, width, n_channels = picture.shape
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in (height, width))
    terms = np.stack([np.broadcast_to(one, (height, width)) for one in _make_terms(x[None], y[:, None])], -1)
    flat, values = terms.reshape(-1, terms.shape[-1]), picture.reshape(-1, n_channels)
    is_ground = ((np.abs(x)[None] > 1 - 2 * _RING) | (np.abs(y)[:, None] > 1 - 2 * _RING)).ravel()
    step = max(1, height * width // 20_000)  # of so smooth a surface some pixels say all
    fitted = np.broadcast_to(np.median(values[is_ground], axis=0), values.shape)
    for _ in range(_N_FITS):
        off = np.abs(values - fitted).max(axis=1)
        limit = max(_LEAST_STEP, 2.5 * float(np.median(off[is_ground])))
        used = np.flatnonzero(is_ground & (off <= limit))[::step]
        if len(used) < 4 * flat.shape[1]:
            break
        fitted = flat @ np.linalg.lstsq(flat[used], values[used], rcond=None)[0]
        is_ground = np.abs(values - fitted).max(axis=1) <= limit
    return np.asarray(np.clip(fitted, 0, 255).reshape(picture.shape), np.float32)


def find_object(difference: Floats) -> tuple[int, int, int, int] | None:
    """Top, left, bottom, right of what differs from the ground [height, width, channels]; None: nothing."""
    size = np.abs(difference).max(axis=2)
    limit = max(_LEAST_STEP, _split_in_two(size))
    is_ink = _drop_specks(size > limit)
    if not is_ink.any() or is_ink.mean() > _ALL_INK:
        return None
    rows, columns = (np.flatnonzero(is_ink.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _make_terms(x: Floats, y: Floats) -> tuple[Floats, ...]:
    return np.ones_like(x * y), x, y, x * x, y * y, x * y


def _to_luma(picture: Floats) -> Floats:
    return picture @ _LUMA if picture.shape[2] == 3 else picture[..., 0]


def _split_in_two(size: Floats) -> float:
    """The threshold of Otsu (1979) between two kinds of differences, 0 to 255."""
    counts = np.bincount(np.clip(size, 0, 255).astype(np.uint8).ravel(), minlength=256).astype(np.float64)
    below, levels = counts.cumsum(), np.arange(256)
    sums = (counts * levels).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(np.nan_to_num(apart).argmax())


def _drop_specks(is_ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ink without what is alone: a pixel stays if at least four of its eight neighbours are ink."""
    padded = np.pad(is_ink.astype(np.uint8), 1)
    height, width = is_ink.shape
    around = sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3))
    return np.asarray(is_ink & (around >= 5))


def _is_lighter(difference: Floats, box: tuple[int, int, int, int]) -> bool:
    """Whether an object is lighter than its ground, by the difference [height, width] of luma."""
    inside = difference[box[0] : box[2], box[1] : box[3]]
    is_ink = np.abs(inside) > max(_LEAST_STEP, _split_in_two(np.abs(inside)))
    return bool(inside[is_ink].sum() > 0)


def _stretch_object(
    difference: Floats, box: tuple[int, int, int, int], *, is_light: bool
) -> tuple[Floats, Floats]:
    """A grey picture on an even ground, and that ground: black under a light object, else white."""
    signed = difference if is_light else -difference
    inside = signed[box[0] : box[2], box[1] : box[3]]
    strength = inside[inside > max(_LEAST_STEP, _split_in_two(np.maximum(inside, 0)))]
    full = max(float(np.percentile(strength, _FULL)) if strength.size else 1.0, 1.0)
    noise = 0.5 * _LEAST_STEP / full
    shown = np.clip((signed / full - noise) / (1 - noise), 0, 1) * np.float32(255)
    ground = np.zeros_like(shown)
    return (shown, ground) if is_light else (255 - shown, ground + 255)


def _cut_square(whole: Floats, ground: Floats, box: tuple[int, int, int, int], content: float) -> Floats:
    """A square with the object in its middle, filled up with the mean of the ground."""
    top, left, bottom, right = box
    side = max(1, round(max(bottom - top, right - left) / content))
    start = (top + bottom - side) // 2, (left + right - side) // 2
    square = np.empty((side, side, whole.shape[2]), np.float32)
    square[:] = ground.mean(axis=(0, 1))
    source, target = [], []
    for first, length in zip(start, whole.shape[:2], strict=True):
        low, high = max(first, 0), min(first + side, length)
        source.append(slice(low, high))
        target.append(slice(low - first, high - first))
    square[target[0], target[1]] = whole[source[0], source[1]]
    return square
