"""Luck: the corrected interval, and the parts of folds and seeds."""

import numpy as np
import pytest

from pipeline.search.luck import bound_resampled, divide_spread


def test_the_interval_is_that_of_the_paper() -> None:
    """Five folds: variance (1/5 + 1/4) times that of the scores, t with four degrees of freedom."""
    scores = np.array([0.9, 0.8, 0.85, 0.95, 0.75])
    value, low, high = bound_resampled(scores, test_share=0.25, confidence=0.95)
    assert value == pytest.approx(0.85)
    half = 2.7764451 * np.sqrt((0.2 + 0.25) * 0.00625)
    assert (low, high) == pytest.approx((0.85 - half, 0.85 + half))


def test_it_holds_the_truth_as_often_as_it_says() -> None:
    """Scores that share a part, as folds do that share training pictures; the plain interval is too short."""
    rng, n, share = np.random.default_rng(0), 2000, 0.25
    correlation = share / (1 + share)  # what the correction stands for: n_test / (n_test + n_train)
    common = rng.normal(size=(n, 1)) * np.sqrt(correlation)
    scores = common + rng.normal(size=(n, 5)) * np.sqrt(1 - correlation)
    found = [bound_resampled(one, test_share=share, confidence=0.95) for one in scores]
    plain = [bound_resampled(one, test_share=0.0, confidence=0.95) for one in scores]
    assert np.mean([low < 0 < high for _, low, high in found]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([low < 0 < high for _, low, high in plain]) < 0.9


def test_one_fold_has_no_interval() -> None:
    value, low, high = bound_resampled(np.array([0.5]), test_share=0.25, confidence=0.95)
    assert value == 0.5
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(("fold", "seed"), [(0.04, 0.01), (0.01, 0.04), (0.0, 0.03)])
def test_folds_and_seeds_are_told_apart(fold: float, seed: float) -> None:
    rng = np.random.default_rng(1)
    scores = 0.9 + rng.normal(scale=fold, size=(400, 1)) + rng.normal(scale=seed, size=(400, 5))
    found = divide_spread(scores)
    assert found.seed == pytest.approx(seed, rel=0.1)
    assert found.fold == pytest.approx(fold, rel=0.15, abs=0.006)


def test_one_seed_says_nothing_of_seeds() -> None:
    found = divide_spread(np.array([[0.9], [0.8]]))
    assert np.isnan(found.seed)
    assert found.fold == pytest.approx(np.std([0.9, 0.8], ddof=1))
