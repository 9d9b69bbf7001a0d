"""Objectives of benchmarks.search that train nothing: a planted optimum, and work for one core.

Run: python -m benchmarks.search_toys URL TRIALS NUMBER CORE (a process of `benchmarks.search processes`)
"""

import math
import os
import sys
from typing import Any

import numpy as np
from optuna.study import Study

from pipeline.search import study as studies
from pipeline.search.space import Dimension, Space
from pipeline.search.study import Address
from pipeline.search.trials import Report, Search, run_trials

SPACE = Space(
    (
        Dimension("train.learning_rate", "log", (0.0001, 1.0)),
        Dimension("train.weight_decay", "log", (0.0001, 1.0)),
        Dimension("train.dropout", "float", (0.0, 0.9)),
        Dimension("train.units", "int", (16, 512)),
        Dimension("augment.flip", "choice", ("none", "horizontal", "vertical")),
    )
)
N_STEPS = 27


def score(settings: dict[str, Any]) -> float:
    """1 at the planted optimum, and less the farther from it."""
    rate = math.log10(settings["train.learning_rate"] / 0.02) / 4
    decay = math.log10(settings["train.weight_decay"] / 0.003) / 4
    dropout = (settings["train.dropout"] - 0.35) / 0.9
    units = (settings["train.units"] - 300) / 496
    flip = 0.1 * (settings["augment.flip"] != "horizontal")
    return float(1 - rate**2 - 0.3 * decay**2 - 0.5 * dropout**2 - 0.2 * units**2 - flip)


def learn(_: int, settings: dict[str, Any], report: Report) -> float:
    """A learning curve that reaches the score; a high rate is worse at first, and a low one slow."""
    speed = 0.15 + 0.2 * (math.log10(settings["train.learning_rate"]) + 4) / 4
    for step in range(1, N_STEPS + 1):
        report(step, score(settings) * (1 - math.exp(-speed * step)))
    return score(settings)


def find_gap(study: Study) -> float:
    """How far the best settings of a study are from the optimum, by value, whatever their curve."""
    return 1 - max(score(studies.read_settings(trial)) for trial in studies.list_finished(study))


def work(_: int, settings: dict[str, Any], report: Report) -> float:
    """About a second of computing on one core."""
    matrix = np.random.default_rng(0).random((300, 300))
    for step in range(1, 11):
        for _number in range(40):
            matrix = np.tanh(matrix @ matrix.T / 300)
        report(step, float(matrix.mean()))
    return float(matrix.mean())


def main() -> None:
    url, n_trials, number, core = sys.argv[1], *map(int, sys.argv[2:])
    os.sched_setaffinity(0, {core})
    search = Search(SPACE, "accuracy", "tpe", "none", n_trials, n_steps=10, n_free=1, seed=0)
    run_trials(Address(url, "work"), search, work, owner=str(number), number=number)


if __name__ == "__main__":
    main()
