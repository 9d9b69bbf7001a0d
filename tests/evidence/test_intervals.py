"""intervals: whole groups are drawn, and what a resample does not define is left out."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.evidence.intervals import Interval, bound_mean, draw_kinds, find_ends

HOW: dict[str, Any] = {"n_resamples": 2000, "confidence": 0.9, "seed": 3}


def bound(values: list[float], groups: list[int], **changed: Any) -> Interval:
    """The mean of values with its interval."""
    return bound_mean(np.array(values, np.float64), np.array(groups), **HOW | changed)


def measure_width(found: Interval) -> float:
    """How far apart the ends are."""
    return found.high - found.low


def test_an_interval_as_metrics() -> None:
    flat = Interval(0.5, 0.25, 0.75).flatten("class/a/f1")
    assert flat == {"class/a/f1": 0.5, "class/a/f1/low": 0.25, "class/a/f1/high": 0.75}
    assert list(flat) == ["class/a/f1", "class/a/f1/low", "class/a/f1/high"]


def test_groups_of_one_are_a_multinomial_bootstrap() -> None:
    """To the bit: 70 right answers of 100 are drawn as the two kinds of answers are."""
    values = np.random.default_rng(0).permutation([1.0] * 70 + [0.0] * 30)
    found = bound_mean(values, np.arange(100), **HOW)
    drawn = np.random.default_rng(3).multinomial(100, [0.3, 0.7], size=2000)[:, 1] / 100
    assert found == (0.7, *np.quantile(drawn, [0.05, 0.95]))


def test_groups_are_drawn_whole() -> None:
    """As drawing the groups themselves, of one to four pictures each."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 1 + np.arange(60) % 4)
    values = rng.random(len(groups)).round(2)
    found = bound_mean(values, groups, **HOW | {"n_resamples": 8000})
    members = [values[groups == group] for group in range(60)]
    means = [np.concatenate([members[i] for i in rng.integers(0, 60, 60)]).mean() for _ in range(8000)]
    assert found.value == pytest.approx(values.mean())
    assert found[1:] == pytest.approx(np.quantile(means, [0.05, 0.95]), abs=0.004)


def test_two_that_look_alike_say_less_than_two_of_two() -> None:
    values = [1.0] * 30 + [0.0] * 10
    apart = bound(values, list(range(40)))
    together = bound(values, [i // 2 for i in range(40)])
    assert apart.value == together.value == 0.75
    assert measure_width(together) > 1.2 * measure_width(apart)
    assert together == bound(values[::2], list(range(20)))


@pytest.mark.parametrize(
    ("confidence", "low", "high"),
    [pytest.param(0.9, 0.0, 1.0, id="wide"), pytest.param(0.4, 2 / 3, 2 / 3, id="narrow")],
)
def test_by_hand(confidence: float, low: float, high: float) -> None:
    """A group of two right answers, and a wrong one: drawn are both with 1/2, either one twice with 1/4."""
    found = bound([1, 1, 0], [5, 5, 2], confidence=confidence)
    assert found == pytest.approx((2 / 3, low, high))


def test_all_alike_has_no_width() -> None:
    assert bound([1.0] * 9, [0, 0, 1, 2, 3, 4, 5, 6, 6]) == (1, 1, 1)
    assert bound([0.5], [7]) == (0.5, 0.5, 0.5)


def test_the_same_seed_gives_the_same_interval() -> None:
    values, groups = [0.0, 0.5, 1.0, 1.0, 0.25] * 8, list(range(40))
    assert bound(values, groups) == bound(values, groups)
    assert bound(values, groups) != bound(values, groups, seed=4)
    order = np.random.default_rng(0).permutation(40)
    assert bound([values[i] for i in order], [groups[i] for i in order]) == bound(values, groups)


@pytest.mark.parametrize("n_columns", [1, 30])
def test_draws(n_columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each resample has as many groups as there are; cutting the work into runs changes none of them."""
    counts = np.array([3, 1, 6])
    (whole,) = draw_kinds(counts, n_resamples=100, seed=0)
    assert whole.shape == (100, 3)
    assert (whole.sum(axis=1) == 10).all()
    assert whole.mean(axis=0) == pytest.approx(counts, abs=0.6)
    monkeypatch.setattr("pipeline.evidence.intervals._RESAMPLED_CELLS", 90)
    runs = list(draw_kinds(counts, n_resamples=100, seed=0, n_columns=n_columns))
    at_once = 90 // max(3, n_columns)
    assert [len(run) for run in runs] == [at_once] * (100 // at_once) + [100 % at_once]
    assert np.array_equal(np.concatenate(runs), whole)


@pytest.mark.parametrize(
    ("column", "ends"),
    [
        pytest.param([0.0, 1.0, 2.0, 3.0, 4.0], (1.0, 3.0), id="all known"),
        pytest.param([np.nan, 4.0, np.nan, 0.0, np.nan], (1.0, 3.0), id="some left out"),
        pytest.param([np.nan, np.nan, 7.0, np.nan, np.nan], (7.0, 7.0), id="one known"),
        pytest.param([np.nan] * 5, (np.nan, np.nan), id="none known"),
    ],
)
def test_what_is_not_defined_is_left_out(column: list[float], ends: tuple[float, float]) -> None:
    """Quartiles, beside another column that is none of its business."""
    values: npt.NDArray[np.float64] = np.stack([np.array(column), np.arange(5.0)], axis=1)
    low, high = find_ends(values, 0.5)
    assert (low[0], high[0]) == pytest.approx(ends, nan_ok=True)
    assert (low[1], high[1]) == (1.0, 3.0)
