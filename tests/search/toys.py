"""A space, and an objective that costs nothing and whose best settings are known."""

import math
from pathlib import Path
from typing import Any

from pipeline.search.space import Dimension, Space
from pipeline.search.study import Address
from pipeline.search.trials import Report, Search

SPACE = Space(
    (
        Dimension("train.learning_rate", "log", (0.001, 1.0)),
        Dimension("train.batch_size", "int", (1, 9)),
        Dimension("augment.flip", "choice", ("none", "both")),
    )
)
BEST = {"train.learning_rate": 0.03, "train.batch_size": 6, "augment.flip": "both"}
N_STEPS = 4


def score(settings: dict[str, Any]) -> float:
    """1 at BEST, and less the farther from it."""
    rate = math.log10(settings["train.learning_rate"] / BEST["train.learning_rate"])
    size = (settings["train.batch_size"] - 6) / 8
    return float(1 - rate**2 / 9 - size**2 - 0.2 * (settings["augment.flip"] != "both"))


def learn(_: int, settings: dict[str, Any], report: Report) -> float:
    """Reach the score in four steps."""
    for step in range(1, N_STEPS + 1):
        report(step, score(settings) * (1 - 0.5**step))
    return score(settings)


def make_search(sampler: str = "random", pruner: str = "none", *, n_trials: int = 6) -> Search:
    """A search of the space."""
    return Search(SPACE, "accuracy", sampler, pruner, n_trials, n_steps=N_STEPS, n_free=1, seed=0)


def find_address(folder: Path, name: str = "toy") -> Address:
    """Of a study in a folder."""
    return Address(f"sqlite:///{folder}/studies.db", name)
