"""A sampler for Optuna: expected improvement under a Gaussian process.

Optuna's own needs PyTorch, which brings gigabytes for a matrix of some hundred rows. This one takes the
process from scikit-learn: a Matern 5/2 kernel with a length a dimension, and noise (Snoek, Larochelle and
Adams 2012, "Practical Bayesian optimization of machine learning algorithms").
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

Float64 = npt.NDArray[np.float64]
Kind = FloatDistribution | IntDistribution | CategoricalDistribution

Distributions = dict[str, BaseDistribution]

_N_RANDOM = 10  # trials before the first that the process chooses
_N_CANDIDATES = 2000
_N_NEAR, _NEAR = 500, 0.05  # candidates around the best, and their deviation from it


class GaussianProcessSampler(BaseSampler):
    """Draws at random at first; then takes the settings whose expected improvement is the largest.

    Running trials count as if they ended with the mean of all, so that several processes do not try the same.
    """

    def __init__(self, distributions: Mapping[str, Kind], *, seed: int) -> None:
        self._distributions = distributions
        self._random = RandomSampler(seed=seed)
        self._rng = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        """All dimensions once there are enough trials to learn from; none before."""
        return dict(self._distributions) if len(_list_known(study)) >= _N_RANDOM else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, Any]:
        """The settings with the largest expected improvement."""
        if not search_space:
            return {}
        known = _list_known(study)
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        x = np.array([self._encode(one.params) for one, _ in known])
        y = sign * np.array([value for _, value in known])
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        others = [
            one for one in running if one.number != trial.number and one.params.keys() >= search_space.keys()
        ]
        if others:
            x = np.vstack([x, [self._encode(one.params) for one in others]])
            y = np.append(y, np.full(len(others), y.mean()))
        drawn = self._rng.random((_N_CANDIDATES, x.shape[1]))
        near = x[y.argmax()] + self._rng.normal(0, _NEAR, (_N_NEAR, x.shape[1]))
        settings = [self._decode(row) for row in np.vstack([drawn, near.clip(0, 1)])]
        candidates = np.array([self._encode(one) for one in settings])  # rounded, as they would be tried
        return settings[
            int(compute_improvement(x, y, candidates, seed=int(self._rng.integers(2**31))).argmax())
        ]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """At random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _encode(self, params: dict[str, Any]) -> Float64:
        parts = [_encode_value(params[name], kind) for name, kind in self._distributions.items()]
        return np.concatenate(parts)

    def _decode(self, row: Float64) -> dict[str, Any]:
        settings, at = {}, 0
        for name, kind in self._distributions.items():
            width = _count_columns(kind)
            settings[name] = _decode_value(row[at : at + width], kind)
            at += width
        return settings


def compute_improvement(x: Float64, y: Float64, candidates: Float64, *, seed: int) -> Float64:
    """The expected improvement over the largest of `y` at each candidate [n_candidates].

    Args:
        x: settings in the unit cube [n, n_columns].
        y: their values [n], larger is better.
        candidates: [n_candidates, n_columns].
    """
    from scipy.stats import norm
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel() * Matern(np.full(x.shape[1], 0.5), (0.05, 20.0), nu=2.5) + WhiteKernel(0.01)
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: the dimension is idle
        process.fit(x, y)
    mean, deviation = process.predict(candidates, return_std=True)
    best = process.predict(x).max()  # of the noisy values, what the process believes
    z = (mean - best) / np.maximum(deviation, 1e-12)
    improvement: Float64 = deviation * (z * norm.cdf(z) + norm.pdf(z))
    return improvement


def _list_known(study: Study) -> list[tuple[FrozenTrial, float]]:
    """Trials and their values. One that was ended early would have gained what whole ones did from there."""
    whole = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    early = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    ends = [(trial, trial.value) for trial in whole if trial.value is not None]
    found = ends[:]
    for trial in early:
        values, step = trial.intermediate_values, trial.last_step
        gains = [end - one.intermediate_values[step] for one, end in ends if step in one.intermediate_values]
        if step is not None and gains:
            found.append((trial, values[step] + float(np.mean(gains))))
    return [(trial, value) for trial, value in found if trial.params and np.isfinite(value)]


def _count_columns(kind: Kind) -> int:
    return len(kind.choices) if isinstance(kind, CategoricalDistribution) else 1


def _encode_value(value: Any, kind: Kind) -> Float64:
    """A value as numbers from 0 to 1: one for a number, one a choice for a choice."""
    if isinstance(kind, CategoricalDistribution):
        return np.array([float(value == choice) for choice in kind.choices])
    ends = np.array([kind.low, kind.high, value], np.float64)
    low, high, at = np.log(ends) if kind.log else ends
    return np.array([(at - low) / (high - low)])


def _decode_value(numbers: Float64, kind: Kind) -> Any:
    if isinstance(kind, CategoricalDistribution):
        return kind.choices[int(numbers.argmax())]
    ends = np.array([kind.low, kind.high], np.float64)
    low, high = np.log(ends) if kind.log else ends
    at = low + numbers[0] * (high - low)
    value = min(kind.high, max(kind.low, float(np.exp(at) if kind.log else at)))
    return round(value) if isinstance(kind, IntDistribution) else value
