"""Folds: whole groups, each picture tested once, the seed chooses validation pictures alone."""

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.training.folds import Fold, choose_fold, deal_folds, is_learnable

Ints = npt.NDArray[np.int64]


def make_collection(n: int = 120, n_sources: int = 15) -> tuple[Ints, npt.NDArray[np.str_]]:
    """Classes and sources of pictures; every source has pictures of one class only, as scans do."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, n_sources, n)
    return source % 3, np.array([f"source {i}" for i in source])


def cut_folds(y: Ints, groups: npt.NDArray[np.str_], n_folds: int, seed: int) -> list[Fold]:
    """All folds of a collection."""
    dealt = deal_folds(y, groups, n_folds)
    return [choose_fold(dealt, number, seed) for number in range(n_folds)]


@pytest.mark.parametrize("n_folds", [5, 50])
def test_classes_smaller_than_the_number_of_folds_get_fewer(n_folds: int) -> None:
    y = np.repeat([0, 1, 2], 4)
    fold = deal_folds(y, np.arange(12).astype(str), n_folds)
    assert len(np.unique(fold)) == 4
    assert is_learnable(y, fold)


@pytest.mark.parametrize("n_folds", [2, 5])
def test_each_picture_is_tested_once_and_no_group_is_divided(n_folds: int) -> None:
    y, groups = make_collection()
    folds = cut_folds(y, groups, n_folds, 0)
    assert len(folds) == n_folds
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(y)))
    for fold in folds:
        assert sorted(np.concatenate(fold)) == list(range(len(y)))
        assert len(fold.val) == (len(fold.train) + len(fold.val)) // 10
        seen = set(groups[np.concatenate([fold.train, fold.val])])
        assert not seen & set(groups[fold.test])
        shares = np.bincount(y[fold.test], minlength=3) / len(fold.test)
        assert shares == pytest.approx(np.bincount(y) / len(y), abs=0.25)


def test_the_seed_chooses_who_validates_and_nothing_else() -> None:
    y, groups = make_collection()
    first, again, other = (cut_folds(y, groups, 3, seed) for seed in (0, 0, 1))
    for one, same, another in zip(first, again, other, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
        assert np.array_equal(one.test, another.test)
        assert set(one.val) != set(another.val)


def test_a_class_of_two_sources_leaves_one_to_learn_from() -> None:
    """Five folds all the same: the other classes keep most of their pictures."""
    y = np.array([0] * 40 + [1] * 100)
    groups = np.array([f"a{i // 20}" for i in range(40)] + [f"b{i // 10}" for i in range(100)])
    fold = deal_folds(y, groups, 5)
    assert len(set(fold)) == 5
    assert is_learnable(y, fold)
    assert len({fold[i] for i in range(40)}) == 2


def test_there_are_fewer_folds_where_classes_ask_for_it() -> None:
    y, groups = np.array([0, 0, 1, 1]), np.array(["a", "b", "a", "b"])
    assert sorted(deal_folds(y, groups, 5).tolist()) == [0, 0, 1, 1]
    assert set(deal_folds(np.array([0, 1]), np.array(["a", "a"]), 5)) == {0}, "nothing can be left out"
    assert deal_folds(y[:0], groups[:0], 5).tolist() == []


def test_very_many_groups_are_dealt_by_hash() -> None:
    names = np.array([f"{i}" for i in range(20_001)])
    fold = deal_folds(np.arange(20_001) % 3, names, 5)
    assert np.bincount(fold) / len(fold) == pytest.approx([0.2] * 5, abs=0.02)
    more = np.append(names, "another")
    assert np.array_equal(deal_folds(np.arange(20_002) % 3, more, 5)[:-1], fold), "new pictures move none"
