"""The Gaussian process finds what was planted, and two processes do not try the same."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from pipeline.search import study as studies
from pipeline.search.gaussian_process import GaussianProcessSampler, compute_improvement
from pipeline.search.trials import run_trials
from tests.search import toys

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")  # trials that no one runs


def test_the_improvement_is_largest_near_the_best() -> None:
    x = np.linspace(0, 1, 9)[:, None]
    candidates = np.linspace(0, 1, 101)[:, None]
    gain = compute_improvement(x, -((x[:, 0] - 0.3) ** 2), candidates, seed=0)
    assert (gain >= 0).all()
    assert abs(candidates[gain.argmax(), 0] - 0.3) < 0.05


def test_a_planted_optimum_is_found(tmp_path: Path) -> None:
    address = toys.find_address(tmp_path)
    run_trials(address, toys.make_search("gp", n_trials=18), toys.learn, owner="me")
    best = studies.find_best(studies.open_study(address, metric="accuracy"))
    assert best
    assert best.value
    assert best.value > 0.97
    assert best.params["augment.flip"] == "both"


def test_running_trials_are_not_tried_again(tmp_path: Path) -> None:
    address = toys.find_address(tmp_path)
    run_trials(address, toys.make_search(n_trials=12), toys.learn, owner="me")
    kinds = toys.SPACE.to_distributions()
    study = studies.open_study(address, metric="accuracy", sampler=GaussianProcessSampler(kinds, seed=0))
    asked = [study.ask(dict(kinds)).params for _ in range(3)]
    rates = sorted(one["train.learning_rate"] for one in asked)
    assert all(high / low > 1.01 for low, high in itertools.pairwise(rates))
