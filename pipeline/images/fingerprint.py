"""Perceptual fingerprints: PDQ of a picture, and of the copies that are usually made of it.

PDQ (Facebook 2019, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm") has 256 bits.
Each says whether one of 16 x 16 low frequencies of a 64 x 64 luma picture is above their median. Two
fingerprints of one picture differ in some bits of 256, those of unrelated pictures in about 128.
"""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

GRID_PX = 128  # side of the picture that all views are cut from
_CELLS = 64  # side of what PDQ transforms
_MIN_SIDE_PX = 32  # the shortest side of a picture whose fingerprint is useful
_FREQUENCIES = 16
# What a crop takes from either end of a side, as shares. So each side keeps one of 16 parts, or all.
_EDGES = (0.003, 0.019, 0.036, 0.053)
_SHARES = ((0.0, 1.0), *((start, 1 - stop) for start in _EDGES for stop in _EDGES))
# The 144 of 256 pairs of parts that together are nearest to all crops of up to 6 % a side: for each part of
# the height the parts of the width, as hexadecimal digits. `python -m benchmarks.crops choose` prints them.
_PAIRS = (
    "012348c",
    "0123458c",
    "0123458c",
    "012348abcd",
    "0123468c",
    "145679abcdef",
    "5679abdef",
    "5679abdef",
    "012348ac",
    "5679abdef",
    "35679abdef",
    "5679abdef",
    "012348bce",
    "5679abcdef",
    "5679abdef",
    "5679abdef",
)
_CROPS = tuple((1 + v, 1 + int(h, 16)) for v, pairs in enumerate(_PAIRS) for h in pairs)
_CROP_MARGIN = 3  # bits; see find_margins
_GAINS = (1.1, 1.2, 1.3, 1.4)  # darker copies keep their fingerprint; brighter ones lose what turns white
_WHITE, _MAX_WHITE = 255, 0.9  # above this share of white, receipts were near other pages of text
# What each view stands for: if b is near view i of a, b looks like a after VIEWS[i].
VIEWS = (
    "upright",
    "mirrored",
    "flipped",
    "rotated 180",
    "transposed",
    "rotated 270",
    "rotated 90",
    "transverse",
    *("cropped" for _ in _CROPS),
    *("brightened" for _ in _GAINS),
)


def find_margins() -> list[int]:
    """For each of VIEWS, by how many bits less than `near_duplicate_distance` a picture may differ from it.

    With 144 crops of each page, unrelated pages on the same form came near at the distance itself.
    """
    return [_CROP_MARGIN if view == "cropped" else 0 for view in VIEWS]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """PDQ (32 bytes) of the upright picture, its quality 0..100, and PDQ of each of VIEWS (32 bytes each).

    A picture with a side under 32 pixels has quality 0: its fingerprint says little, and there are no views.
    """

    pdq: bytes
    quality: int
    views: bytes


def take_fingerprint(grid: "Image", *, small: bool) -> Fingerprint:
    """The fingerprint of a picture of mode RGB, GRID_PX x GRID_PX; `small`: see `is_small`."""
    import pdqhash

    luma = np.asarray(grid.convert("L")).astype(np.uint16)
    cells = luma[::2, ::2] + luma[::2, 1::2] + luma[1::2, ::2] + luma[1::2, 1::2]
    bits, quality = pdqhash.compute(((cells + 2) >> 2).astype(np.uint8)[..., None].repeat(3, axis=-1))
    pdq = np.packbits(bits.astype(bool)).tobytes()
    if small or not quality:
        return Fingerprint(pdq, 0, b"")
    return Fingerprint(pdq, int(quality), pdq + _take_views(grid)[1:].tobytes())


def is_small(size: tuple[int, int]) -> bool:
    """Whether a picture of this width and height is too small for its fingerprint to say much."""
    return min(size) < _MIN_SIDE_PX


def shrink(image: "Image", box: tuple[float, float, float, float] | None) -> "Image":
    """An image (mode L or RGB) as RGB of GRID_PX x GRID_PX; `box` is the part that is the picture.

    The filter is bilinear, not box. A copy of another size, or half a pixel off, then keeps a fine drawing's
    frequencies.
    """
    from PIL import Image

    return image.resize((GRID_PX, GRID_PX), Image.Resampling.BILINEAR, box=box).convert("RGB")


def _take_views(grid: "Image") -> NDArray[np.uint8]:
    """PDQ of each view, uint8 [v, 32], without drawing it: crops are linear, turns change signs only."""
    kernels = _build_kernels().reshape(-1, GRID_PX)
    # All are whole numbers below 2^53, so sums are exact in any order.
    channels = np.asarray(grid).transpose(2, 0, 1).reshape(3, -1)
    luma = _compute_luma(channels, 1.0)
    every = (kernels @ luma) @ kernels.T
    every = every.reshape(len(_SHARES), _FREQUENCIES, len(_SHARES), _FREQUENCIES)
    crops = [every[vertical, :, horizontal] for vertical, horizontal in _CROPS]
    whole = kernels[:_FREQUENCIES]
    bright = [whole @ brighter @ whole.T for brighter in _brighten(channels, luma)]
    return _quantise(np.stack([*_turn(every[0, :, 0]), *crops, *bright]))


def _turn(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """The frequencies of the picture in its eight orientations, in the order of VIEWS."""
    odd = np.where(np.arange(_FREQUENCIES) % 2 == 0, -1.0, 1.0)  # index 0 is frequency 1
    turned = []
    for now in (frequencies, frequencies.T):
        mirrored, flipped = now * odd, now * odd[:, None]
        turned += [now, mirrored, flipped, mirrored * odd[:, None]]
    return np.array(turned)


def _brighten(channels: NDArray[np.uint8], luma: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The luma of brighter copies; unchanged if nearly all turns white, since such pictures look alike."""
    brighter = [_compute_luma(channels, gain) for gain in _GAINS]
    return [one if (one == _WHITE).mean() <= _MAX_WHITE else luma for one in brighter]


def _compute_luma(channels: NDArray[np.uint8], gain: float) -> NDArray[np.float64]:
    """Luma as in Pillow's mode "L" of a picture, uint8 [3, GRID_PX * GRID_PX], made brighter by `gain`."""
    red, green, blue = (np.take(*pair) for pair in zip(_tabulate_luma(gain), channels, strict=True))
    luma = (red + green + blue + 0x8000) >> 16
    return np.asarray(luma.reshape(GRID_PX, GRID_PX), dtype=np.float64)


@functools.cache
def _tabulate_luma(gain: float) -> NDArray[np.uint32]:
    """What each level of red, green and blue adds to luma, in 65,536ths: uint32 [3, 256]."""
    levels = np.minimum(_WHITE, np.rint(np.arange(256) * gain)).astype(np.uint32)
    return np.asarray(np.array([[19595], [38470], [7471]], dtype=np.uint32) * levels)


def _quantise(frequencies: NDArray[Any]) -> NDArray[np.uint8]:
    """Bits of frequencies [v, 16, 16] against their lower median, in PDQ's order (the last one first)."""
    flat = frequencies.reshape(len(frequencies), -1)
    middle = flat.shape[1] // 2 - 1
    median = np.partition(flat, middle, axis=1)[:, middle, None]
    return np.packbits((flat > median)[:, ::-1], axis=1)


@functools.cache
def _build_kernels() -> NDArray[np.float64]:
    """For each of _SHARES the matrix [16, GRID_PX] that shrinks this part to 64 cells and transforms them.

    Its values are rounded to whole numbers, so the products are the same on every machine.
    """
    i, j = np.arange(1, _FREQUENCIES + 1)[:, None], np.arange(_CELLS)[None]
    cosines = np.cos(np.pi / (2 * _CELLS) * i * (2 * j + 1))
    return np.asarray(np.rint(np.stack([cosines @ _build_shrinking(*share) for share in _SHARES]) * 4096))


def _build_shrinking(start: float, stop: float) -> NDArray[np.float64]:
    """The area-average matrix [64, GRID_PX] of a part of the side."""
    edges = np.linspace(start * GRID_PX, stop * GRID_PX, _CELLS + 1)
    at = np.arange(GRID_PX)
    overlap = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    weights = overlap.clip(min=0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
