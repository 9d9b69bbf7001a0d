"""intervals: honest for few answers, and whole groups are what counts."""

import numpy as np
import pytest

from pipeline.evidence.intervals import (
    Interval,
    bound_score,
    bound_share,
    count_groups_of,
    draw_kinds,
    find_ends,
)


def bound(values: list[float], groups: list[int] | None = None, confidence: float = 0.95) -> Interval:
    """The mean of values with its interval; by default each is a group by itself."""
    numbers = np.arange(len(values)) if groups is None else np.array(groups)
    return bound_share(np.array(values, np.float64), numbers, confidence=confidence)


def answer(right: int, n: int) -> list[float]:
    """So many right answers of n."""
    return [1.0] * right + [0.0] * (n - right)


def measure_width(found: Interval) -> float:
    """How far apart the ends are."""
    return found.high - found.low


def test_an_interval_as_metrics() -> None:
    flat = Interval(0.5, 0.25, 0.75).flatten("class/a/f1")
    assert flat == {"class/a/f1": 0.5, "class/a/f1_low": 0.25, "class/a/f1_high": 0.75}
    assert list(flat) == ["class/a/f1", "class/a/f1_low", "class/a/f1_high"]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        pytest.param(0, 1, 0.0, 0.975, id="0 of 1"),
        pytest.param(1, 1, 0.025, 1.0, id="1 of 1"),
        pytest.param(23, 23, 0.852, 1.0, id="23 of 23"),
        pytest.param(0, 10, 0.0, 0.308, id="0 of 10"),
        pytest.param(7, 10, 0.348, 0.933, id="7 of 10"),
    ],
)
def test_published_intervals(right: int, n: int, low: float, high: float) -> None:
    assert bound(answer(right, n)) == pytest.approx((right / n, low, high), abs=5e-4)


@pytest.mark.parametrize("n", [1, 2, 5, 40])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_as_scipy(n: int, confidence: float) -> None:
    from scipy.stats import binomtest

    for right in range(n + 1):
        theirs = binomtest(right, n).proportion_ci(confidence, method="exact")
        found = bound(answer(right, n), confidence=confidence)
        # scipy searches the ends numerically
        assert found[1:] == pytest.approx((min(theirs.low, right / n), max(theirs.high, right / n)), abs=1e-6)


def test_the_interval_covers() -> None:
    """Of 2,000 test sets with near-duplicates that are answered alike, at most 5 % miss the true share."""
    rng, n_missed = np.random.default_rng(0), 0
    groups = np.repeat(np.arange(30), 1 + np.arange(30) % 3)
    for _ in range(2000):
        values = (rng.random(30) < 0.8)[groups].astype(np.float64)
        found = bound_share(values, groups, confidence=0.95)
        n_missed += not found.low <= 0.8 <= found.high
    assert n_missed <= 0.05 * 2000


def test_two_that_look_alike_say_less_than_two_of_two() -> None:
    values = answer(30, 40)
    apart, together = bound(values), bound(values, [i // 2 for i in range(40)])
    once = bound(values[::2])
    assert apart.value == together.value == 0.75
    assert measure_width(together) > 1.2 * measure_width(apart)
    # As wide as half of them, but for the correction of the degrees of freedom
    assert measure_width(once) <= measure_width(together) < 1.1 * measure_width(once)


def test_nothing_is_surer_than_its_groups() -> None:
    """All alike, one group, and answers that cancel out within groups."""
    assert bound([1.0] * 9, [0, 0, 1, 2, 3, 4, 5, 6, 6]) == bound([1.0] * 7)
    assert measure_width(bound([1.0, 0.0, 1.0], [7, 7, 7])) > 0.95  # one group says next to nothing
    cancelling = bound([1.0, 0.0] * 20, [i // 2 for i in range(40)])
    assert measure_width(cancelling) >= measure_width(bound([1.0, 0.0] * 20))
    assert bound([]) == pytest.approx((np.nan, 0, 1), nan_ok=True)


def test_shares_of_answers_are_no_surer_than_whole_ones() -> None:
    assert bound([0.5] * 10) == bound(answer(5, 10))


def test_the_order_does_not_matter() -> None:
    values, groups = answer(20, 60), [i // 3 for i in range(60)]
    order = np.random.default_rng(0).permutation(60)
    found = bound([values[i] for i in order], [1000 - 7 * groups[i] for i in order])
    assert found == pytest.approx(bound(values, groups))


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


def test_ends() -> None:
    assert find_ends(np.arange(5.0), 0.5) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        pytest.param([1.0] * 70 + [0.0] * 30, (0.6, 0.7, 0.788), id="one answer a picture"),
        # 200 answers to 100 pictures count as 100
        pytest.param([1.0] * 65 + [0.5] * 10 + [0.0] * 25, (0.6, 0.7, 0.788), id="two that agree mostly"),
        pytest.param([1.0] * 40 + [0.5] * 60, (0.6, 0.7, 0.788), id="two that do not"),
        pytest.param([1.0] * 100, (0.964, 1, 1), id="all right"),
    ],
)
def test_accuracy(right: list[float], expected: tuple[float, float, float]) -> None:
    found = bound_share(np.array(right), np.arange(len(right)), confidence=0.95)
    assert (found.low, found.value, found.high) == pytest.approx(expected, abs=1e-3)


def test_two_that_look_alike_are_one_of_what_is_drawn() -> None:
    """100 answers to 50 things: as wide as 50 answers, and about 1.4 times as wide as 100 to 100."""
    right = np.array([1.0] * 70 + [0.0] * 30)
    widths = []
    for answers, groups in (
        (right, np.arange(100)),
        (right, np.arange(100) // 2),
        (right[::2], np.arange(50)),
    ):
        found = bound_share(answers, groups, confidence=0.95)
        assert found.value == pytest.approx(0.7)
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[2], rel=0.02)
    assert widths[1] == pytest.approx(2**0.5 * widths[0], abs=0.02)


def bound_mean(parts: list[float], n_of_part: list[int], variance: float) -> Interval:
    """The interval of the mean of parts, whose resamples vary so much."""
    values, n = np.array(parts), np.array(n_of_part)
    mean = float(np.nanmean(values)) if not np.isnan(values).all() else np.nan
    return bound_score(mean, variance, values, n, n_groups=int(n.sum()), confidence=0.95)


def test_a_score_has_the_interval_of_a_share_that_varies_as_much() -> None:
    found = bound_mean([0.9], [1000], 0.9 * 0.1 / 1000)
    assert found == pytest.approx(bound(answer(900, 1000)), abs=5e-4)
    assert bound_mean([1.0], [40], 0.0) == pytest.approx(bound(answer(40, 40)))
    assert bound_mean([0.0], [40], 0.0) == pytest.approx(bound(answer(0, 40)))


def test_few_errors_are_less_sure_than_their_variance() -> None:
    variance = 0.99 * 0.01 / 200  # two errors were seen
    assert measure_width(bound_mean([0.99], [200], variance)) > 1.05 * measure_width(bound(answer(198, 200)))


def test_a_part_without_an_error_counts_by_its_pictures() -> None:
    seen = 1e-4
    large, small = (bound_mean([0.9, 1.0], [100, n], seen) for n in (100, 3))
    assert measure_width(small) > 2 * measure_width(large)
    assert measure_width(large) > measure_width(bound_mean([0.9, 0.99], [100, 100], seen))


def test_a_score_that_says_nothing() -> None:
    assert np.isnan(bound_mean([np.nan], [3], 0.0)).all()
    assert measure_width(bound_mean([0.5], [1], 0.0)) > 0.95, "one group"
    assert measure_width(bound_mean([0.5], [9], 0.0)) > 0.95, "all alike"
    assert bound_mean([0.9, np.nan], [50, 0], 1e-3) == bound_mean([0.9], [50], 1e-3), (
        "a class that is missing"
    )


def test_groups_of_classes() -> None:
    assert count_groups_of(np.array([0, 0, 2, 2, 0]), np.array([5, 5, 5, 6, 7]), 4).tolist() == [2, 0, 2, 0]
