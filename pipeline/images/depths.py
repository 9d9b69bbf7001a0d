"""From samples of any depth to 8 bits: which value is black and which is white.

What the header states counts: the number of bits, the largest and smallest value. Where it says nothing the
values themselves decide, by rules that a few outliers do not change. Nothing depends on where a value lies in
the picture, and the same values give the same result.

The rules, in this order, for all colours of a picture together:
1. Stated: `Stated.white` (and black) of the header.
2. Unsigned integers have the smallest full scale that holds them: 8, 10, 12 or all bits; 32 bits and more
   also 16 and 24.
3. Floats and signed integers. Values that are not finite, the header's nodata value, and one or two lone
   values far below zero or above 65,535 (-9999, -3.4e38) are no values. Single outliers are left out. What
   lies in 0..1, 0..255, 0..1023, 0..4095, 0..16383 or 0..65535 (signed integers: or 0 to
   their largest), and reaches an eighth of it, has that scale.
   Anything else is stretched between its percentiles 0.1 and 99.9.
4. What 2 and 3 had to guess is guessed once for a collection (`choose_series`): a dark picture of a series is
   as dark as it was taken.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

GUESSED = "guessed_scale"  # the repair of a picture whose file does not say what is white
_MAX_SAMPLED = 1 << 20  # values that are looked at to find the scale
_INTEGER_BITS = (8, 10, 12)
_WIDE_BITS = (8, 10, 12, 16, 24)  # of integers of 32 bits and more
_SCALES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
_NATURAL = {*_SCALES, *(float((1 << bits) - 1) for bits in (*_WIDE_BITS, 7, 15, 31, 32))}
_LEAST_SHARE = 1 / 8  # of a scale, which values must reach to have it
_TAIL = 0.001  # beyond these percentiles a value may be an outlier
_MOST = 1e300  # of a float: differences of larger ones would overflow
_BLOCK = 1 << 20  # values converted at once


class Stated(NamedTuple):
    """What a header says of its values; None: nothing.

    Attributes:
        bits: of a sample.
        black, white: the values that are black and white.
        nodata: the value that stands for none.
    """

    bits: int
    black: float | None = None
    white: float | None = None
    nodata: float | None = None


class Guess(NamedTuple):
    """A scale that values had to say; `kind` is their NumPy type, such as u16 or f32."""

    kind: str
    black: float
    white: float


class Scale(NamedTuple):
    """The values that become 0 and 255, whether they were guessed, and values that stand for none."""

    black: float
    white: float
    is_guessed: bool = False
    nodata: tuple[float, ...] = ()


class EightBits(NamedTuple):
    """uint8 pixels, the repairs that were made, and the scale if the picture alone had to guess it."""

    pixels: NDArray[np.uint8]
    repairs: list[str]
    guess: Guess | None


def make_eight_bits(values: NDArray[Any], stated: Stated, series: Sequence[Guess] = ()) -> EightBits:
    """Samples of any type and shape as uint8 of that shape; a guess gives way to that of the series."""
    scale = find_scale(values, stated)
    kind = f"{values.dtype.kind}{8 * values.itemsize}"
    guess = Guess(kind, scale.black, scale.white) if scale.is_guessed else None
    if guess:
        _, black, white = _join_series(guess, series)
        scale = scale._replace(black=black, white=white)
    pixels, has_holes = apply_scale(values, scale)
    is_deep = values.dtype.kind != "u" or stated.bits > 8
    named = (("sixteen_bit", is_deep), (GUESSED, scale.is_guessed), ("nodata", has_holes))
    return EightBits(pixels, [name for name, is_made in named if is_made], guess)


def choose_series(guesses: Iterable[Guess]) -> tuple[Guess, ...]:
    """One scale for all pictures of a collection whose scale had to be guessed, for each type of numbers.

    It is the largest full scale that one of them needs; or, where most of them are stretched, from the
    percentile 5 of their blacks to the percentile 95 of their whites. Who needs no guess keeps its own.
    """
    of_kind: dict[str, list[Guess]] = {}
    for guess in guesses:
        of_kind.setdefault(guess.kind, []).append(guess)
    return tuple(_choose_one(kind, found) for kind, found in sorted(of_kind.items()))


def _choose_one(kind: str, found: Sequence[Guess]) -> Guess:
    natural = [guess.white for guess in found if _is_natural(guess)]
    if 2 * len(natural) >= len(found):
        return Guess(kind, 0.0, max(natural))
    others = np.array([guess[1:] for guess in found if not _is_natural(guess)])
    black, white = (np.percentile(others[:, i], at, method="nearest") for i, at in enumerate((5, 95)))
    return Guess(kind, float(black), float(white))


def _join_series(own: Guess, series: Sequence[Guess]) -> Guess:
    """The scale of a picture whose own is a guess. One that needs more than its series keeps its own."""
    for one in (Guess(*one) for one in series if one[0] == own.kind):
        if not _is_natural(one):
            return one
        return one if _is_natural(own) and own.white <= one.white else own
    return own


def _is_natural(guess: Guess) -> bool:
    """Whether a scale is a full scale from 0, not stretched."""
    return guess.black == 0 and guess.white in _NATURAL


def find_scale(values: NDArray[Any], stated: Stated) -> Scale:
    """The scale of a picture's values."""
    sampled = _sample(values)
    if stated.nodata is not None:
        sampled = sampled[sampled != stated.nodata]
    if stated.white is not None and (values.dtype.kind != "u" or sampled.max(initial=0) <= stated.white):
        return Scale(stated.black or 0.0, stated.white, nodata=_list(stated.nodata))
    if values.dtype.kind == "u":
        return _find_integer_scale(int(sampled.max(initial=0)), stated)
    scales = _SCALES
    if values.dtype.kind == "i":
        natural = _SCALES if stated.bits > 16 else _SCALES[:-1]
        scales = tuple(sorted({*natural, (1 << (stated.bits - 1)) - 1.0}))
    return _find_float_scale(sampled.astype(np.float64), stated, scales)


def apply_scale(values: NDArray[Any], scale: Scale) -> tuple[NDArray[np.uint8], bool]:
    """uint8 of the same shape, and whether it has pixels without a value, which are black."""
    bits = int(scale.white + 1).bit_length() - 1
    if values.dtype.kind == "u" and not scale.black and not scale.nodata and scale.white == (1 << bits) - 1:
        return _shift(values, bits), False
    out = np.zeros(values.size, np.uint8)
    flat = values.reshape(-1)
    half_black, half_range = scale.black / 2, scale.white / 2 - scale.black / 2  # no overflow at 1e308
    has_holes = False
    for at in range(0, len(flat), _BLOCK):
        part = flat[at : at + _BLOCK].astype(np.float64)
        is_hole = ~np.isfinite(part) | np.isin(part, scale.nodata)
        has_holes = has_holes or bool(is_hole.any())
        share = (np.where(is_hole, scale.black, part) / 2 - half_black) / max(half_range, 1e-300)
        out[at : at + _BLOCK] = np.rint(np.clip(share, 0, 1) * 255)
    return out.reshape(values.shape), has_holes


def _shift(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Unsigned values of some bits as 8: the upper ones, or all of fewer, spread to full scale."""
    top = values.dtype.type((1 << bits) - 1)
    if bits >= 8:
        return np.asarray((np.minimum(values, top) >> values.dtype.type(bits - 8)), np.uint8)
    table = np.rint(np.arange(1 << bits) * (255 / int(top))).astype(np.uint8)
    return np.asarray(table[np.minimum(values, top)])


def _sample(values: NDArray[Any]) -> NDArray[Any]:
    """At most about a million values, evenly from the whole."""
    flat = values.reshape(-1)
    return flat[:: max(1, len(flat) // _MAX_SAMPLED)]


def _find_integer_scale(largest: int, stated: Stated) -> Scale:
    if stated.bits not in (16, 32, 64):
        return Scale(0, (1 << stated.bits) - 1, nodata=_list(stated.nodata))
    allowed = (*(_INTEGER_BITS if stated.bits == 16 else _WIDE_BITS), stated.bits)
    bits = next(bits for bits in allowed if largest < 1 << bits)
    is_guessed = bits != stated.bits and largest > 0
    return Scale(0, (1 << bits) - 1, is_guessed, _list(stated.nodata))


def _find_float_scale(sampled: NDArray[np.float64], stated: Stated, scales: Sequence[float]) -> Scale:
    known = sampled[np.isfinite(sampled)]
    nodata = _list(stated.nodata)
    known = np.sort(known[~np.isin(known, nodata)])
    for _ in range(2):
        known, lone = _drop_lone(known)
        nodata += lone
    if not len(known):
        return Scale(0, 1, nodata=nodata)
    known = np.clip(known, -_MOST, _MOST)
    tail = int(len(known) * _TAIL)
    low, high = known[tail], known[len(known) - 1 - tail]
    span = high - low
    inside = known[(known >= low - span) & (known <= high + span)]
    smallest, largest = float(inside[0]), float(inside[-1])
    full = next((full for full in scales if largest <= full), None)
    if smallest >= 0 and full and largest >= full * _LEAST_SHARE:
        return Scale(0.0, full, is_guessed=full not in (1.0, 255.0, 65535.0, scales[-1]), nodata=nodata)
    return Scale(float(low), float(high), is_guessed=True, nodata=nodata)


def _drop_lone(known: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """Sorted values without one at an end that is further from the others than they are from each other."""
    for lone, others in (
        (known[:1], known[known > known[:1].max(initial=-np.inf)]),
        (known[-1:], known[known < known[-1:].min(initial=np.inf)]),
    ):
        if not len(others) or 0 <= lone[0] <= _SCALES[-1]:
            continue
        gap = min(abs(lone[0] / 2 - others[0] / 2), abs(lone[0] / 2 - others[-1] / 2))
        span = others[-1] / 2 - others[0] / 2
        if gap > span and len(np.unique(others[:: max(1, len(others) // 1000)])) > 1:
            return others, (float(lone[0]),)
    return known, ()


def _list(nodata: float | None) -> tuple[float, ...]:
    return () if nodata is None else (nodata,)
