"""Folds over whole groups: what to learn from, what to choose the weights on, what to answer."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Ints

_VAL_SHARE = 10  # one in so many pictures of the other folds chooses the weights


class Fold(NamedTuple):
    """Positions of pictures: those to learn from, to choose the weights on, and to answer."""

    train: Ints
    val: Ints
    test: Ints


def cut_folds(y: Ints, groups: npt.NDArray[np.str_], *, n_folds: int, seed: int) -> Iterator[Fold]:
    """Folds over whole groups, with classes as even as groups allow; each picture is tested once.

    Args:
        y: classes [n].
        groups: what a fold never divides, such as a source [n].
        seed: chooses the validation pictures; the test folds are the same for every seed.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    for rest, test in folds.split(y, y, groups):
        order = np.random.default_rng(seed).permutation(rest)
        n_val = len(order) // _VAL_SHARE
        yield Fold(order[n_val:], order[:n_val], test)
