"""alterations: which pictures have a copy, and imperfect ones; each by its own hash alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.collection.alterations import (
    IMPERFECT,
    choose_imperfect_copies,
    choose_rare_copies,
    make_imperfect,
)
from pipeline.errors import ParamsError
from pipeline.params import Params

ParamsOf = Callable[..., Params]
Uint8 = npt.NDArray[np.uint8]


@pytest.mark.parametrize(
    ("counts", "fill", "expected"),
    [
        pytest.param({0: 10, 1: 4}, 1.0, {1: 6}, id="all equal"),
        pytest.param({0: 10, 1: 4}, 0.5, {1: 1}, id="half"),
        pytest.param({0: 10, 1: 4}, 0.45, {1: 1}, id="rounded up"),
        pytest.param({0: 10, 1: 1}, 1.0, {1: 9}, id="one picture, nine copies"),
        pytest.param({0: 10, 1: 4}, 0.4, {}, id="enough already"),
        pytest.param({0: 10, 1: 4}, 0.0, {}, id="off"),
        pytest.param({}, 1.0, {}, id="no picture"),
    ],
)
def test_extra_copies(
    params_of: ParamsOf, counts: dict[int, int], fill: float, expected: dict[int, int]
) -> None:
    ids = [f"{c}-{i}" for c, n in counts.items() for i in range(n)]
    classes = [c for c, n in counts.items() for _ in range(n)]
    params = params_of(augment={"fill_rare_to": fill}).augment
    copies = choose_rare_copies(ids, classes, params=params, can_alter=True, n_synthetic={})
    found = [int(id_.split("-")[0]) for id_, _ in copies]
    assert {c: found.count(c) for c in set(found)} == expected
    assert copies == sorted(set(copies))
    if copies:
        per_picture = np.bincount([copy for _, copy in copies])
        assert (np.diff(per_picture) <= 0).all()  # nobody gets a second copy before all have a first


def test_extra_copies_need_an_alteration(params_of: ParamsOf) -> None:
    params = params_of(augment={"fill_rare_to": 1.0}).augment
    with pytest.raises(ParamsError, match=r"fill_rare_to is 1.*augment\.rotation"):
        choose_rare_copies(["a", "b", "c"], [0, 0, 1], params=params, can_alter=False, n_synthetic={})
    assert choose_rare_copies(["a", "b"], [0, 1], params=params, can_alter=False, n_synthetic={}) == []


def test_another_picture_moves_no_copy(params_of: ParamsOf) -> None:
    params = params_of(augment={"fill_rare_to": 1.0}).augment
    ids, classes = [f"big-{i}" for i in range(20)] + [f"rare-{i}" for i in range(5)], [0] * 20 + [1] * 5
    before = choose_rare_copies(ids, classes, params=params, can_alter=True, n_synthetic={})
    after = choose_rare_copies(
        [*ids, "big-new"], [*classes, 0], params=params, can_alter=True, n_synthetic={}
    )
    assert set(before) < set(after)
    assert (
        choose_rare_copies(ids[::-1], classes[::-1], params=params, can_alter=True, n_synthetic={}) == before
    )


def draw_framed(n: int, *, height: int = 40, width: int = 30) -> Uint8:
    """Pictures of light paper, 200, with a dark square of 8x8, 20, about the middle."""
    pictures = np.full((n, height, width, 3), 200, np.uint8)
    pictures[:, height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4] = 20
    return pictures


def name_pictures(n: int) -> list[str]:
    return [f"id-{i}" for i in range(n)]


def measure_dark(pictures: Uint8) -> npt.NDArray[np.float64]:
    dark: npt.NDArray[np.float64] = (200 - pictures[..., 0].astype(np.float64)).sum(axis=(1, 2)) / 180
    return dark


def test_imperfect_is_shrunk_and_moved_or_turned() -> None:
    n = 400
    pictures = draw_framed(n)
    altered = make_imperfect(pictures, name_pictures(n), seed=0)
    assert altered.shape == pictures.shape
    assert altered.dtype == np.uint8
    assert (altered[:, [0, -1]] >= 199).all()  # paper all around, no black corner
    share = measure_dark(altered) / 64
    is_turned = share > 0.95
    assert 160 < is_turned.sum() < 240
    assert share[is_turned] == pytest.approx(1, abs=0.04)
    shrunk = np.sqrt(share[~is_turned])
    assert shrunk.min() == pytest.approx(0.5, abs=0.03)
    assert shrunk.max() == pytest.approx(0.9, abs=0.03)
    rows, columns = find_centres(altered)
    assert np.abs(rows[is_turned] - 19.5).max() < 0.1
    assert np.abs(columns[is_turned] - 14.5).max() < 0.1
    # Of the way to an edge of the frame: all of it either way, as far down as to the right only by chance.
    moved = [
        (centre[~is_turned] - middle) / (side / 2 * (1 - shrunk))
        for centre, middle, side in ((rows, 19.5, 40), (columns, 14.5, 30))
    ]
    for way in moved:
        assert (way.min(), way.max()) == pytest.approx((-1, 1), abs=0.15)
        assert abs(way.mean()) < 0.15
    assert abs(np.mean(moved[0] * moved[1])) < 0.1  # a third where both are the same


def find_centres(pictures: Uint8) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The centre of what is dark on each, as row and column."""
    dark = 200 - pictures[..., 0].astype(np.float64)
    total = dark.sum(axis=(1, 2))
    rows = (dark.sum(axis=2) @ np.arange(dark.shape[1])) / total
    return rows, (dark.sum(axis=1) @ np.arange(dark.shape[2])) / total


def test_imperfect_turns_by_up_to_40_degrees_either_way() -> None:
    n = 400
    line = np.full((n, 41, 41, 1), 200, np.uint8)
    line[:, 20, 8:33] = 20
    altered = make_imperfect(line, name_pictures(n), seed=0)
    y, x = np.mgrid[0:41, 0:41] - 20.0
    dark = (200 - altered[..., 0].astype(np.float64)).reshape(n, -1)
    moment = [(dark * value.ravel()).sum(axis=1) / dark.sum(axis=1) for value in (x * x, y * y, x * y)]
    angle = np.rad2deg(np.arctan2(2 * moment[2], moment[0] - moment[1]) / 2)
    is_turned = dark.sum(axis=1) / 180 > 24
    assert (angle[is_turned].min(), angle[is_turned].max()) == pytest.approx((-40, 40), abs=1.5)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(np.full((9, 7, 3), 255), id="white"),
        pytest.param(np.full((9, 7, 1), 0), id="black"),
        pytest.param(np.full((1, 1, 3), 77), id="one pixel"),
        pytest.param(np.full((9, 7, 3), (10, 100, 200)), id="a colour"),
    ],
)
def test_imperfect_leaves_one_colour_alone(picture: npt.NDArray[Any]) -> None:
    pictures = np.repeat(picture.astype(np.uint8)[None], 20, axis=0)
    assert np.array_equal(make_imperfect(pictures, name_pictures(20), seed=0), pictures)


def test_imperfect_depends_on_seed_and_id_alone() -> None:
    pictures, ids = (
        np.random.default_rng(0).integers(40, 200, (12, 12, 10, 3)).astype(np.uint8),
        name_pictures(12),
    )
    together = make_imperfect(pictures, ids, seed=0)
    assert np.array_equal(make_imperfect(pictures[5:6], ids[5:6], seed=0), together[5:6])
    assert np.array_equal(make_imperfect(pictures[::-1], ids[::-1], seed=0), together[::-1])
    assert not np.array_equal(make_imperfect(pictures, ids, seed=1), together)
    assert not np.array_equal(make_imperfect(pictures[5:6], ["other"], seed=0), together[5:6])
    assert make_imperfect(pictures[:0], [], seed=0).shape == (0, 12, 10, 3)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_imperfect_copies(params_of: ParamsOf, share: float) -> None:
    ids = name_pictures(2000)
    params, more = (params_of(augment={"imperfect": min(1.0, s)}).augment for s in (share, share + 0.1))
    copies = choose_imperfect_copies(ids, params=params)
    assert copies == sorted(set(copies))
    assert len(copies) == pytest.approx(share * 2000, abs=1 if share in (0, 1) else 70)
    assert {copy for _, copy in copies} <= {IMPERFECT}
    fewer = choose_imperfect_copies(ids[:1000], params=params)
    assert set(fewer) == {(id_, copy) for id_, copy in copies if id_ in set(ids[:1000])}
    assert set(copies) <= set(choose_imperfect_copies(ids, params=more))
