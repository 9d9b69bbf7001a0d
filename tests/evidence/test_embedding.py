"""Points on a plane: groups stay groups, and odd numbers of points do no harm."""

import numpy as np
import pytest

from pipeline.evidence.embedding import lay_out, shrink_raw


def make_groups(n_each: int, *, d: int = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = 20 * rng.standard_normal((3, d))
    return np.concatenate([centre + rng.standard_normal((n_each, d)) for centre in centres])


def test_groups_stay_groups() -> None:
    groups = np.repeat([0, 1, 2], 40)
    for layout in lay_out(make_groups(40), seed=0):
        assert layout is not None
        assert layout.shape == (120, 2)
        means = np.stack([layout[groups == k].mean(axis=0) for k in range(3)])
        nearest = np.linalg.norm(layout[:, None] - means, axis=-1).argmin(axis=1)
        assert (nearest == groups).all()


def test_the_same_twice() -> None:
    first, second = (lay_out(make_groups(20), seed=3) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one is not None
        assert other is not None
        assert np.array_equal(one, other)


@pytest.mark.parametrize("n", [1, 2, 4, 5, 7, 20])
@pytest.mark.parametrize("d", [1, 2, 60])
def test_few_points(n: int, d: int) -> None:
    values = np.random.default_rng(1).standard_normal((n, d))
    principal, layout = lay_out(values, seed=0)
    assert principal.shape == (n, 2)
    assert np.isfinite(principal).all()
    assert (layout is None) == (n < 5)
    assert layout is None or np.isfinite(layout).all()


@pytest.mark.parametrize("scale", [0, 1e-30, 1e-8, 1e30])
def test_points_in_one_place_and_of_any_size(scale: float) -> None:
    values = np.full((30, 4), 7.0) * (scale or 1)
    values[:15, 0] += scale
    principal, layout = lay_out(values.astype(np.float32), seed=0)
    assert np.isfinite(principal).all()
    assert layout is None or np.isfinite(layout).all()
    assert (layout is None) == (scale == 0)


def test_raw_pictures_are_averaged() -> None:
    pictures = np.zeros((2, 70, 64, 3), np.uint8)
    pictures[1, :3, :3] = 255
    found = shrink_raw(pictures)
    assert found.shape == (2, 24 * 22 * 3)
    assert found[1, :3].tolist() == [1, 1, 1]
    assert found.sum() == 3
    small = np.random.default_rng(0).integers(0, 256, (3, 8, 9, 1), np.uint8)
    assert np.allclose(shrink_raw(small), small.reshape(3, -1) / 255)
    assert shrink_raw(np.full((1, 1, 1, 1), 51, np.uint8)) == pytest.approx(0.2)
