"""calibration: the temperature of known answers, and the error of known probabilities."""

import numpy as np
import pytest

from pipeline.evidence.calibration import N_BINS, Float32, Ints, count_bins, fit_temperature
from pipeline.serving.answer_rule import temper


def draw_answers(n: int, true_temperature: float) -> tuple[Ints, Float32]:
    """Classes drawn from honest probabilities, and these as an over-confident network says them."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (n, 4))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (honest.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return y, temper(honest.astype(np.float32), 1 / true_temperature)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found(true_temperature: float) -> None:
    y, y_prob = draw_answers(20_000, true_temperature)
    assert fit_temperature(y, y_prob) == pytest.approx(true_temperature, rel=0.05)


def test_an_over_confident_model_is_off_by_a_third_at_most_of_what_it_was() -> None:
    y, y_prob = draw_answers(4_000, 3.0)
    temperature = fit_temperature(y[:2000], y_prob[:2000])
    own = y[2000:]
    is_right = y_prob[2000:].argmax(axis=1) == own
    before = count_bins(is_right, y_prob[2000:].max(axis=1)).error
    after = count_bins(is_right, temper(y_prob[2000:], temperature).max(axis=1)).error
    assert before > 0.1
    assert after <= before / 3


def test_probabilities_of_0_and_1_and_few_answers() -> None:
    certain = np.eye(3, dtype=np.float32)[[0, 1, 2] * 10]
    assert fit_temperature(np.array([0, 1, 2] * 10), certain) >= 0.05
    assert fit_temperature(np.array([1, 1, 2] * 10), certain) <= 20
    assert fit_temperature(np.array([0]), certain[:1]) == 1, "one answer says nothing"
    assert fit_temperature(np.array([], np.int64), certain[:0]) == 1


def test_bins_hold_each_answer_once() -> None:
    confidence = np.array([0.0, 0.05, 0.5, 1.0, 1.0], np.float32)
    bins = count_bins(np.array([False, False, True, True, False]), confidence)
    assert bins.n.sum() == 5
    assert bins.n[-1] == 2
    assert bins.accuracy[-1] == 0.5
    assert np.isnan(bins.accuracy[1])
    assert bins.error == pytest.approx((2 * 0.025 + 0.5 + 2 * 0.5) / 5)
    assert count_bins(np.array([], bool), np.array([], np.float32)).error == 0
    assert len(bins.n) == N_BINS
