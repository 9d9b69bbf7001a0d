"""label_choice: doubtful pictures, unlike each other, in an order that a longer list keeps."""

import numpy as np
import pytest

from pipeline.evidence.label_choice import choose_pictures, measure_doubt


def clusters(n_each: int, n: int, seed: int = 0) -> np.ndarray:
    """Points near n directions, n_each of them: float32 [n * n_each, 16]."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (n, 16))
    return (np.repeat(centres, n_each, axis=0) + rng.normal(0, 0.02, (n * n_each, 16))).astype(np.float32)


def test_doubt_is_the_entropy_as_a_share() -> None:
    y_prob = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], np.float32)
    np.testing.assert_allclose(measure_doubt(y_prob), [0, 1, np.log(2) / np.log(3)], atol=1e-6)
    assert measure_doubt(np.ones((2, 1), np.float32)).tolist() == [0, 0]


def test_each_kind_of_picture_is_asked_once() -> None:
    features = clusters(20, 6)
    y_prob = np.full((120, 2), 0.5, np.float32)
    chosen = choose_pictures(features, y_prob, 6)
    assert sorted(chosen // 20) == list(range(6))


def test_distance_decides_among_answers_without_any_doubt() -> None:
    y_prob = np.tile(np.array([[1, 0]], np.float32), (120, 1))
    chosen = choose_pictures(clusters(20, 6), y_prob, 6)
    assert sorted(chosen // 20) == list(range(6))


def test_the_most_doubtful_comes_first_and_doubt_decides_between_equal_ones() -> None:
    features = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    sure = np.array([0.9, 0.8, 0.95, 0.6, 0.7, 0.9])
    y_prob = np.stack([sure, 1 - sure], axis=1).astype(np.float32)
    assert choose_pictures(features, y_prob, 3).tolist() == [3, 4, 1]


def test_a_sure_answer_far_away_waits_for_a_doubtful_one_that_is_nearer() -> None:
    features = np.array([[1, 0, 0], [0, 1, 0], [0.6, 0, 0.8]], np.float32)
    sure = np.array([0.5, 0.9999, 0.6])
    y_prob = np.stack([sure, 1 - sure], axis=1).astype(np.float32)
    assert choose_pictures(features, y_prob, 3).tolist() == [0, 2, 1]


def test_a_longer_list_begins_with_the_shorter_one_and_names_each_once() -> None:
    features = clusters(10, 5)
    rng = np.random.default_rng(1)
    y_prob = rng.dirichlet([1, 1, 1], 50).astype(np.float32)
    longest = choose_pictures(features, y_prob, 99)
    assert sorted(longest.tolist()) == list(range(50))
    for n in (1, 7, 30):
        assert choose_pictures(features, y_prob, n).tolist() == longest[:n].tolist()


@pytest.mark.parametrize(
    "features",
    [
        pytest.param(np.zeros((4, 3), np.float32), id="no features"),
        pytest.param(np.ones((4, 1), np.float32), id="all alike"),
        pytest.param(np.full((4, 2), 3e38, np.float32), id="huge"),
    ],
)
def test_equal_features_leave_doubt_to_decide(features: np.ndarray) -> None:
    sure = np.array([0.9, 0.5, 0.8, 0.6])
    y_prob = np.stack([sure, 1 - sure], axis=1).astype(np.float32)
    assert choose_pictures(features, y_prob, 4).tolist() == [1, 3, 2, 0]


def test_no_pictures() -> None:
    assert choose_pictures(np.empty((0, 3), np.float32), np.empty((0, 2), np.float32), 5).tolist() == []
