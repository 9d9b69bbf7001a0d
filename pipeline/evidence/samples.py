"""Which test pictures stand for all where all would take too long: always the same ones, of every class."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def choose_sample(ids: Sequence[str], y: Ints, n: int, *, purpose: str) -> Ints:
    """Positions of n pictures in their order; of all, if there are no more.

    Each class is in the order of a hash of (purpose, id), and gives its share. A larger sample keeps the
    pictures of a smaller one.
    """
    hashes = [hashlib.sha256(f"{purpose}/{id_}".encode()).digest() for id_ in ids]
    order = sorted(range(len(ids)), key=hashes.__getitem__)
    sizes = np.bincount(y, minlength=1)
    seen = np.zeros_like(sizes)
    turns = []
    for i in order:
        turns.append(((seen[y[i]] + 0.5) / sizes[y[i]], hashes[i], i))
        seen[y[i]] += 1
    return np.array(sorted(i for _, _, i in sorted(turns)[:n]), np.int64)
