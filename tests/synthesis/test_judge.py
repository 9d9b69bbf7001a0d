"""judge: the distance, its deviation, and copies, on features whose answer is known."""

import numpy as np
import pytest

from pipeline.synthesis.judge import (
    Neighbours,
    compute_kid,
    compute_kid_of_halves,
    find_nearest,
    measure_copying,
)


def draw(n: int, *, mean: float = 0.0, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(mean, 1, (n, 16))


def test_the_kernel_by_hand() -> None:
    """Two features of one number each: 1 and 2 against 3 and 4, all subsets are all of them."""
    made, real = np.array([[1.0], [2.0], [1.0], [2.0]]), np.array([[3.0], [4.0], [3.0], [4.0]])
    found = compute_kid(made, real)
    by_hand = []
    for a, b in ((1, 2), (1, 1), (2, 2)):
        for c, d in ((3, 4), (3, 3), (4, 4)):
            within = (a * b + 1) ** 3 + (c * d + 1) ** 3
            between = np.mean([(x * y + 1) ** 3 for x in (a, b) for y in (c, d)])
            by_hand.append(within - 2 * between)
    assert found.n_subset == 2
    assert min(by_hand) <= found.mean <= max(by_hand)


def test_alike_is_zero_and_further_is_more() -> None:
    real, made = draw(400), draw(400, seed=1)
    alike = compute_kid(made, real)
    assert abs(alike.mean) < 3 * alike.deviation
    assert alike.n_subset == 200
    near, far = (compute_kid(draw(400, mean=mean, seed=1), real) for mean in (0.3, 1.0))
    assert alike.mean + 3 * alike.deviation < near.mean < far.mean
    halves = compute_kid_of_halves(real)
    assert abs(halves.mean) < 3 * halves.deviation
    assert compute_kid(made, real) == alike


def test_it_is_unbiased() -> None:
    """Small subsets lie around zero as large ones do; with the diagonal they would lie above."""
    real, made = draw(2000), draw(40, seed=1)
    assert compute_kid(made, real).mean == pytest.approx(0, abs=0.2)
    biased = np.mean([((draw(20, seed=s) ** 2).sum(1) / 16 + 1) ** 3 for s in range(5)])
    assert biased / 20 > 0.3


def test_nearest_and_copies() -> None:
    real = draw(300)
    every = np.arange(300)
    among = find_nearest(real, real, itself=every)
    assert (among.position != every).all()
    distances = np.linalg.norm(real[:, None] - real[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert among.distance == pytest.approx(distances.min(axis=1))
    assert (among.position == distances.argmin(axis=1)).all()
    fresh, copies = find_nearest(draw(300, seed=1), real), find_nearest(real + 0.01, real)
    assert (copies.position == every).all()
    assert measure_copying(copies, among).share == 1
    assert measure_copying(fresh, among).share < 0.15
    assert measure_copying(fresh, among).made == pytest.approx(measure_copying(fresh, among).real, rel=0.1)


def test_the_median_is_what_is_said() -> None:
    made = Neighbours(np.zeros(3, np.int64), np.array([1.0, 2.0, 9.0]))
    real = Neighbours(np.zeros(3, np.int64), np.array([3.0, 4.0, 5.0]))
    found = measure_copying(made, real)
    assert (found.made, found.real) == (2.0, 4.0)
    assert found.share == pytest.approx(2 / 3)
