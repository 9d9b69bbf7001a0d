"""Folds over whole groups: what to learn from, what to choose the weights on, what to answer."""

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.collection.groups import name_fold_groups
from pipeline.collection.partition import check_no_leak, draw_numbers

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]

_MANY_GROUPS = 20_000
_N_TRIES = 5  # seeds, before there are fewer folds
_VAL_SHARE = 10  # one in so many pictures of the other folds chooses the weights


class Fold(NamedTuple):
    """Positions of pictures: those to learn from, to choose the weights on, and to answer."""

    train: Ints
    val: Ints
    test: Ints


def deal_folds(y: Ints, groups: npt.NDArray[np.str_], n_folds: int, seed: int = 0) -> Ints:
    """The fold that answers each picture [n], from 0: whole groups, with classes as even as groups allow.

    A class of few groups is not in every fold. But no fold holds all groups of a class, since nobody could
    learn it then: there are fewer folds where that asks for it, or where no class has a picture for each.
    Beyond 20,000 groups chance makes classes even, and a draw by hash takes a second where stratifying takes
    minutes.

    Args:
        y: classes [n].
        groups: what a fold never divides, such as a source [n].
    """
    names, group_of = np.unique(groups, return_inverse=True)
    if len(names) > _MANY_GROUPS:
        drawn = draw_numbers((f"fold:{name}" for name in names), seed)
        return np.asarray((drawn * n_folds).astype(np.int64)[group_of])
    largest = int(np.bincount(y).max(initial=0))  # scikit-learn needs a class with a picture for each fold
    for n in range(min(n_folds, len(names), largest), 1, -1):
        for number in range(_N_TRIES):
            fold = _stratify(y, groups, n, seed + number)
            if is_learnable(y, fold):
                return fold
    return np.zeros(len(y), np.int64)


def is_learnable(y: Ints, fold: Ints) -> bool:
    """Whether every class has pictures outside every fold."""
    return all(len(np.unique(fold[y == c])) > 1 for c in np.unique(y))


def _stratify(y: Ints, groups: npt.NDArray[np.str_], n_folds: int, seed: int) -> Ints:
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.zeros(len(y), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        dealt = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(y, y, groups)
        for number, (_, test) in enumerate(dealt):
            fold[test] = number
    return fold


def place_in_folds(placed: "pd.DataFrame", pattern: str, *, n_folds: int, seed: int) -> "pd.DataFrame":
    """Pictures with what no fold divides, and the fold of each; -1 for those of test.

    Args:
        placed: one row per picture, with the columns key, group, class_index and split.
        pattern: of `split.fold_by`.

    Raises:
        DataError: a group lies in two folds.
    """
    classes = placed["class_index"].to_numpy()
    fold_group = name_fold_groups(placed["key"], placed["group"], classes, pattern)
    fold, learnt = np.full(len(placed), -1, np.int8), (placed["split"] != "test").to_numpy()
    if learnt.any():
        fold[learnt] = deal_folds(classes[learnt], fold_group[learnt].to_numpy(str), n_folds, seed)
    placed = placed.assign(fold_group=fold_group, fold=fold)
    check_no_leak(fold_group[learnt], placed["fold"][learnt], "fold")
    return placed


def choose_fold(fold: Ints, number: int, seed: int) -> Fold:
    """One of the folds that `deal_folds` dealt; the seed chooses the validation pictures alone."""
    order = np.random.default_rng(seed).permutation(np.flatnonzero(fold != number))
    n_val = len(order) // _VAL_SHARE
    return Fold(order[n_val:], order[:n_val], np.flatnonzero(fold == number))
