"""label_audit: planted flips are found; odd probabilities and classes are no surprise."""

import numpy as np
import pytest

from pipeline.evidence.label_audit import audit_labels, find_thresholds


def answer(rng: np.random.Generator, true: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Probabilities of a network that is right most of the time, and as sure as its class allows."""
    n_classes = len(sure)
    logits = rng.normal(0, 1, (len(true), n_classes))
    logits[np.arange(len(true)), true] += sure[true]
    raised = np.exp(logits)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize(
    "sure",
    [
        pytest.param([5.0] * 4, id="alike"),
        pytest.param([7.0, 5.0, 4.0, 4.0], id="some classes are harder"),
        pytest.param([9.0] * 60, id="60 classes"),
    ],
)
def test_planted_flips_are_found(sure: list[float]) -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, len(sure), 4000)
    labels, flipped = true.copy(), rng.permutation(4000)[:200]
    labels[flipped] = (true[flipped] + rng.integers(1, len(sure), 200)) % len(sure)
    audit = audit_labels(labels, answer(rng, true, np.array(sure)))
    assert np.isin(flipped, audit.order[:400]).mean() >= 0.95
    suspect = np.flatnonzero(audit.suggested != labels)
    assert np.isin(flipped, suspect).mean() >= 0.85
    assert np.isin(suspect, flipped).mean() >= 0.75
    found = np.intersect1d(suspect, flipped)
    assert (audit.suggested[found] == true[found]).mean() >= 0.95


def test_a_class_that_the_network_always_doubts_is_not_suspect_as_a_whole() -> None:
    """Class 1 is never the largest: by the largest alone, every one of its labels would be wrong."""
    y_prob = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10, np.float32)
    audit = audit_labels(np.repeat([0, 1], 10), y_prob)
    np.testing.assert_array_equal(audit.suggested, np.repeat([0, 1], 10))


@pytest.mark.parametrize(
    ("labels", "y_prob", "suggested"),
    [
        pytest.param([0, 1], [[1, 0], [0, 1]], [0, 1], id="0 and 1, right"),
        pytest.param([0, 0, 1], [[1, 0], [0, 1], [0, 1]], [0, 1, 1], id="0 and 1, one wrong"),
        pytest.param([0, 0], [[0.9, 0.1], [0.1, 0.9]], [0, 0], id="a class without pictures"),
        pytest.param([0, 0], [[1.0], [1.0]], [0, 0], id="one class"),
        pytest.param([0, 1], [[0.5, 0.5], [0.5, 0.5]], [0, 1], id="a tie keeps the label"),
        pytest.param(
            [0, 1, 2, 2], [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.4, 0.4, 0.2], [0, 0, 1]], [0, 1, 0, 2],
            id="a tie of others takes the first",
        ),
        pytest.param([0, 1], [[0, 0], [0, 0]], [0, 1], id="nothing is likely"),
        pytest.param([], np.empty((0, 3)), [], id="no pictures"),
        pytest.param([0] * 3, [[1 / 3] * 3] * 3, [0] * 3, id="a mean that rounds up"),
    ],
)  # fmt: skip
def test_suggestions(labels: list[int], y_prob: list[list[float]], suggested: list[int]) -> None:
    audit = audit_labels(np.array(labels, np.int64), np.array(y_prob, np.float32))
    assert audit.suggested.tolist() == suggested
    assert np.isfinite(audit.margin).all()
    assert sorted(audit.order) == list(range(len(labels)))


def test_thresholds_are_means_over_own_labels() -> None:
    y_prob = np.array([[0.8, 0.2, 0], [0.6, 0.4, 0], [0.3, 0.7, 0]], np.float32)
    found = find_thresholds(np.array([0, 0, 1]), y_prob)
    np.testing.assert_allclose(found, [0.7, 0.7, np.inf], rtol=1e-6)


def test_ranking_is_by_margin_and_stable() -> None:
    y_prob = np.array([[0.6, 0.4], [0.1, 0.9], [0.6, 0.4], [1, 0]], np.float32)
    audit = audit_labels(np.zeros(4, np.int64), y_prob)
    np.testing.assert_allclose(audit.margin, [0.2, -0.8, 0.2, 1.0], atol=1e-6)
    assert audit.order.tolist() == [1, 0, 2, 3]
