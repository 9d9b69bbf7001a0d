"""Altered copies: which pictures get one, and how an imperfect copy is made, as by a careless scan."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.errors import ParamsError
from pipeline.params import AugmentParams
from pipeline.seeds import hash_to_seed

Uint8 = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
Copies = list[tuple[str, int]]  # (id, copy), sorted

IMPERFECT = -1  # the copy number of an imperfect copy; copies for rare classes count from 0

_LEAST_SIZE, _MOST_SIZE = 0.5, 0.9  # scales of an imperfect copy that is shrunk
_MOST_TURN_DEG = 40


def choose_rare_copies(
    ids: Sequence[str],
    classes: Sequence[int],
    *,
    params: AugmentParams,
    can_alter: bool,
    n_synthetic: Mapping[int, int],
) -> Copies:
    """The copies that lift every class to `fill_rare_to` times the size of the largest class.

    Pictures of a class take turns in the order of a hash of (seed, id). The size of a class is its number of
    originals, and what is still missing after its made-up pictures is filled up.

    Args:
        n_synthetic: how many made-up pictures each class has, by class index.
        can_alter: whether the policy has a layer that alters single pictures.

    Raises:
        ParamsError: copies are needed, and no layer would alter them.
    """
    members: dict[int, list[str]] = defaultdict(list)
    for id_, class_index in zip(ids, classes, strict=True):
        members[class_index].append(id_)
    n_wanted = math.ceil(params.fill_rare_to * max(map(len, members.values()), default=0))
    copies: Copies = []
    for class_index, of_class in members.items():
        turns = sorted(of_class, key=lambda id_: (hash_to_seed(f"{params.seed}/{id_}"), id_))
        n_missing = n_wanted - len(turns) - n_synthetic.get(class_index, 0)
        copies += [(turns[k % len(turns)], k // len(turns)) for k in range(n_missing)]
    if copies and not can_alter:
        raise ParamsError(
            f"augment.fill_rare_to is {params.fill_rare_to:g}, but no other knob of augment alters these "
            "pictures, so the copies would be exact; set one, such as augment.rotation, or set this to 0"
        )
    return sorted(copies)


def choose_imperfect_copies(ids: Sequence[str], *, params: AugmentParams) -> Copies:
    """Imperfect copies, as (id, IMPERFECT), of a share `imperfect` of the pictures; sorted.

    The choice depends on (seed, id) alone. A larger share keeps the pictures of a smaller one and adds
    others.
    """
    is_chosen = _draw_numbers(ids, params.seed)[:, 0] < params.imperfect
    return [(id_, IMPERFECT) for id_, yes in sorted(zip(ids, is_chosen, strict=True)) if yes]


def make_imperfect(pictures: Uint8, ids: Sequence[str], *, seed: int) -> Uint8:
    """Pictures as a careless scan would show them, altered by draws from (seed, id) alone.

    About half of them are shrunk to 50 to 90 % of height and width, somewhere within the frame. The others
    are turned about their centre by up to 40 degrees either way. The rest of the frame gets the picture's
    border colour, the median of its outermost pixels. (Repeating the edge, as augmentation does, would fill
    half a frame with stripes.) Pictures are uint8 [n, height, width, channels], before and after.
    """
    height, width = pictures.shape[1:3]
    _, kind, strength, top, left = _draw_numbers(ids, seed).T[:5, :, None, None]
    is_turned = kind < 0.5
    size = np.where(is_turned, 1, _LEAST_SIZE + (_MOST_SIZE - _LEAST_SIZE) * strength)
    angle = np.where(is_turned, np.deg2rad(_MOST_TURN_DEG * (2 * strength - 1)), 0)
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    y_mid, x_mid = (height - 1) / 2, (width - 1) / 2
    y = np.arange(height)[:, None] - y_mid - (top - 0.5) * (1 - size) * height
    x = np.arange(width) - x_mid - (left - 0.5) * (1 - size) * width
    return _sample(pictures, y * cos + x * sin + y_mid, x * cos - y * sin + x_mid)


def _sample(pictures: Uint8, y: Float64, x: Float64) -> Uint8:
    """Pictures at rows y and columns x, float64 [n, height, width], bilinear; the border colour outside."""
    n, height, width, channels = pictures.shape
    edges = [pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]]
    framed = np.empty((n, height + 2, width + 2, channels), np.float32)
    framed[:] = np.median(np.concatenate(edges, axis=1), axis=1)[:, None, None]
    framed[:, 1:-1, 1:-1] = pictures
    y, x = np.clip(y + 1, 0, height + 1), np.clip(x + 1, 0, width + 1)
    top, left = np.minimum(y.astype(np.int64), height), np.minimum(x.astype(np.int64), width)
    down, right = (part[..., None].astype(np.float32) for part in (y - top, x - left))
    at = np.arange(n)[:, None, None]
    above = framed[at, top, left] * (1 - right) + framed[at, top, left + 1] * right
    below = framed[at, top + 1, left] * (1 - right) + framed[at, top + 1, left + 1] * right
    return np.asarray(np.rint(above * (1 - down) + below * down), np.uint8)


def _draw_numbers(ids: Sequence[str], seed: int) -> Float64:
    """Eight numbers in [0, 1) per picture, from (seed, id) alone: float64 [n, 8]."""
    digests = b"".join(hashlib.sha256(f"{seed}/imperfect/{id_}".encode()).digest() for id_ in ids)
    return np.frombuffer(digests, ">u4").reshape(-1, 8) / 2**32
