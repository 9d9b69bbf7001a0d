"""Interval honesty: of 300 simulated models, 92 to 98 % of the 95 % intervals hold the truth.

The truth of a model is known: the share of right answers it was made with, or the score of very many
pictures. Intervals may be wider where hardly an error can be seen (`most` is 1): what ends at 100 % cannot
miss from above. They are never narrower.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.metrics import score_answers
from pipeline.evidence.probability_scores import score_probabilities

Rng = np.random.Generator
Ints = npt.NDArray[np.int64]
HOW: dict[str, Any] = {"n_resamples": 200, "confidence": 0.95, "seed": 0}
N_MODELS = 300
LEAST, MOST = 0.92, 0.98

SINGLE = np.ones(1000, int)
TRIPLES = np.full(300, 3)
TENS = np.r_[np.ones(150, int), np.full(10, 10)]
FEW_LARGE = np.r_[np.ones(900, int), np.full(20, 3), np.full(3, 20)]


def measure_coverage(simulate: Callable[[Rng], tuple[Interval, float]]) -> float:
    """The share of models whose interval holds the truth."""
    rng = np.random.default_rng(0)
    pairs = [simulate(rng) for _ in range(N_MODELS)]
    return sum(one.low <= truth <= one.high for one, truth in pairs) / N_MODELS


def answer(rng: Rng, sizes: Ints, accuracy: float, agreement: float) -> tuple[Any, Any]:
    """Right answers and groups [n]: with a probability of `agreement` a picture has its group's answer."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    of_group, alone = rng.random(len(sizes)) < accuracy, rng.random(len(groups)) < accuracy
    return np.where(rng.random(len(groups)) < agreement, of_group[groups], alone), groups


@pytest.mark.parametrize(
    ("sizes", "low", "high", "agreement", "most"),
    [
        pytest.param(SINGLE, 0.5, 0.95, 1.0, MOST, id="single"),
        pytest.param(SINGLE, 0.97, 0.999, 1.0, MOST, id="single, near 100 %"),
        pytest.param(SINGLE[:300], 0.9, 0.999, 1.0, MOST, id="300"),
        pytest.param(TRIPLES, 0.6, 0.95, 1.0, MOST, id="triples"),
        pytest.param(TRIPLES, 0.9, 0.99, 0.8, MOST, id="triples that agree mostly"),
        pytest.param(TRIPLES, 0.97, 0.999, 1.0, 1, id="triples, near 100 %"),
        pytest.param(TENS, 0.9, 0.99, 1.0, 1, id="some groups of ten"),
        pytest.param(FEW_LARGE, 0.6, 0.9, 0.9, MOST, id="few large groups"),
        pytest.param(FEW_LARGE, 0.97, 0.999, 1.0, 1, id="few large groups, near 100 %"),
    ],
)
def test_accuracy(sizes: Ints, low: float, high: float, agreement: float, most: float) -> None:
    def simulate(rng: Rng) -> tuple[Interval, float]:
        accuracy = rng.uniform(low, high)
        right, groups = answer(rng, sizes, accuracy, agreement)
        return bound_share(right.astype(np.float64), groups, confidence=0.95), accuracy

    assert LEAST <= measure_coverage(simulate) <= most


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1"])
@pytest.mark.parametrize(
    ("n_of_class", "accuracy", "size", "most"),
    [
        pytest.param([100] * 5, 0.9, 1, MOST, id="single"),
        pytest.param([100] * 5, 0.97, 1, 1, id="near 100 %"),
        pytest.param([60] * 5, 0.9, 3, 1, id="triples"),
        pytest.param([200, 100, 50, 10, 4], 0.95, 1, 1, id="small classes"),
        pytest.param([50, 50], 0.99, 1, 1, id="two classes near 100 %"),
    ],
)
def test_averages_over_classes(
    n_of_class: list[int], accuracy: float, size: int, most: float, name: str
) -> None:
    n, k = np.array(n_of_class), len(n_of_class)
    y = np.repeat(np.arange(k), n)
    groups = np.concatenate([1000 * c + np.arange(n[c]) // size for c in range(k)])
    confusions = np.diag(n * accuracy) + (n * (1 - accuracy) / (k - 1))[:, None] * (1 - np.eye(k))
    f1 = 2 * np.diag(confusions) / (confusions.sum(0) + confusions.sum(1))
    truth = {"balanced_accuracy": accuracy, "macro_f1": float(f1.mean())}[name]

    def simulate(rng: Rng) -> tuple[Interval, float]:
        right, wrong = rng.random(groups.max() + 1) < accuracy, rng.integers(1, k, groups.max() + 1)
        answered = np.where(right[groups], y, (y + wrong[groups]) % k)
        return score_answers(y, answered, groups, k, **HOW).overall[name], truth

    assert LEAST <= measure_coverage(simulate) <= most


def make_probabilities(rng: Rng, n_of_class: tuple[int, int], distance: float, size: int) -> Any:
    """Classes, probabilities that are right on average, and groups of `size` alike pictures."""
    y = np.repeat([0, 1], n_of_class)
    groups = np.concatenate([100_000 * c + np.arange(n) // size for c, n in enumerate(n_of_class)])
    of_group = np.unique(groups, return_inverse=True)[1]
    logit = distance * (rng.normal(size=of_group.max() + 1)[of_group] + distance * (y - 0.5))
    second = 1 / (1 + np.exp(-logit - np.log(n_of_class[1] / n_of_class[0])))
    return y, np.stack([1 - second, second], axis=1), of_group


@pytest.mark.parametrize(
    ("n_of_class", "distance", "size", "most"),
    [
        pytest.param((100, 100), 1.5, 1, MOST, id="hard"),
        pytest.param((500, 500), 3.3, 1, MOST, id="near 1"),
        pytest.param((300, 100), 4.2, 1, 1, id="nearer to 1"),
        pytest.param((120, 60), 2.5, 3, 1, id="triples"),
        pytest.param((100, 20), 2.5, 1, 1, id="a small class"),
    ],
)
def test_scores_of_probabilities(
    n_of_class: tuple[int, int], distance: float, size: int, most: float
) -> None:
    many = 400_000 * np.array(n_of_class) // sum(n_of_class)
    y, y_prob, groups = make_probabilities(np.random.default_rng(1), (many[0], many[1]), distance, 1)
    truth = {
        name: one.value
        for name, one in score_probabilities(
            y, y_prob, groups, n_resamples=2, confidence=0.95, seed=0
        ).overall.items()
    }
    rng, n_held = np.random.default_rng(0), dict.fromkeys(truth, 0)
    for _ in range(N_MODELS):
        found = score_probabilities(*make_probabilities(rng, n_of_class, distance, size), **HOW)
        for name, one in found.overall.items():
            n_held[name] += one.low <= truth[name] <= one.high
    assert all(LEAST <= n / N_MODELS <= most for n in n_held.values())
