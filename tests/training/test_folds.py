"""Folds: whole groups, each picture tested once, the seed chooses validation pictures alone."""

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.training.folds import cut_folds

Ints = npt.NDArray[np.int64]


def make_collection(n: int = 120, n_sources: int = 15) -> tuple[Ints, npt.NDArray[np.str_]]:
    """Classes and sources of pictures; every source has pictures of one class only, as scans do."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, n_sources, n)
    return source % 3, np.array([f"source {i}" for i in source])


@pytest.mark.parametrize("n_folds", [2, 5])
def test_each_picture_is_tested_once_and_no_group_is_divided(n_folds: int) -> None:
    y, groups = make_collection()
    folds = list(cut_folds(y, groups, n_folds=n_folds, seed=0))
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
    first, again, other = (list(cut_folds(y, groups, n_folds=3, seed=seed)) for seed in (0, 0, 1))
    for one, same, another in zip(first, again, other, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
        assert np.array_equal(one.test, another.test)
        assert set(one.val) != set(another.val)
