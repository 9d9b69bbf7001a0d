"""Planted label errors: 5 % of the labels of toum.zip are flipped, and the audit of evaluate looks for them.

Each picture is answered by networks that have seen neither it nor its near-duplicates (`pictures`), or
nothing of its source (`sources`). They learned from the flipped labels. Printed are the share of the flips
in the first tenth of the ranking; and of the suspects, how many there are, how many of the flips are among
them, and how many of them are flips. The collection may have errors of its own, which count as false alarms.

Run: python -m benchmarks.label_audit [--recipes efficientnet_lite0] [--folds pictures] [--seeds 3]
"""

import argparse
import logging
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.copies import TOUM, params_for
from benchmarks.scans import N_FOLDS, RECIPES, Scans, developed_scans, seeded
from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Part
from pipeline.evidence.calibration import fit_temperature
from pipeline.evidence.label_audit import audit_labels
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.serving.answer_rule import AnswerRule
from pipeline.tables.parquet import read_table
from pipeline.tables.split import SPLIT
from pipeline.training.fold_work import answer_all
from pipeline.training.folds import deal_folds
from pipeline.training.policy import build_policy

FLIPPED, FIRST = 0.05, 0.1
KINDS = ("pictures", "sources")


class Result(NamedTuple):
    """Shares of flips in the first tenth and among the suspects, and of the suspects that are flips."""

    ranked: float
    n_suspect: int
    recall: float
    precision: float
    right: float  # of the flips among the suspects, those whose suggestion is the class that they had

    def describe(self) -> str:
        return (
            f"{self.ranked:.1%} ({self.n_suspect:,} suspects: {self.recall:.1%} of the flips, "
            f"{self.precision:.1%} of them flips; suggestion right {self.right:.1%})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--recipes", nargs="+", choices=RECIPES, default=["efficientnet_lite0", "new_sources"]
    )
    parser.add_argument("--folds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    set_up_device()
    print(
        f"{'recipe':<20}{'folds by':<10}flips in the first {FIRST:.0%} of the ranking, each seed", flush=True
    )
    for recipe in options.recipes:
        with tempfile.TemporaryDirectory() as folder:
            paths, params = Paths(Path(folder)), params_for(options.source.resolve(), **RECIPES[recipe])
            scans = developed_scans(paths, options.source.resolve(), params)
            for kind in options.folds:
                part = scans.part if kind == "sources" else grouped_by_likeness(scans, paths)
                start, found = time.perf_counter(), []
                for seed in range(options.seeds):
                    found.append(
                        find_flips(scans.shards, part, seeded(params, seed), paths.root / "features")
                    )
                    print(f"{recipe:<20}{kind:<10}{found[-1].describe()}", flush=True)
                mean = statistics.mean(one.ranked for one in found)
                print(
                    f"{recipe:<20}{kind:<10}mean {mean:.1%}  {time.perf_counter() - start:.0f} s", flush=True
                )


def grouped_by_likeness(scans: Scans, paths: Paths) -> Part:
    """The pictures with their near-duplicates as groups, in place of their sources."""
    groups = read_table(paths.split, SPLIT).to_pandas().sort_values("id")["group"]
    return replace(scans.part, group=tuple(groups))


def find_flips(shards: Path, part: Part, params: Params, features: Path) -> Result:
    """Flip labels, let networks of `params` answer out of fold, and look for the flips."""
    true, labels = part.y, flip(part.y, params.train.seed)
    flipped = np.flatnonzero(labels != true)
    fold = deal_folds(labels, np.array(part.group), N_FOLDS)
    policy = build_policy(params.augment, channels=params.clean.channels)
    y_prob = answer_all(
        shards, replace(part, y=labels), fold, policy=policy, params=params.train, features=features
    )
    audit = audit_labels(labels, AnswerRule(fit_temperature(labels, y_prob)).temper(y_prob))
    first = audit.order[: round(FIRST * len(labels))]
    suspect = np.flatnonzero(audit.suggested != labels)
    found = np.intersect1d(suspect, flipped)
    return Result(
        float(np.isin(flipped, first).mean()),
        len(suspect),
        len(found) / len(flipped),
        len(found) / max(len(suspect), 1),
        float((audit.suggested[found] == true[found]).mean()) if len(found) else 0.0,
    )


def flip(y: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Labels of which a share was replaced by another class, each class alike."""
    rng, n_classes = np.random.default_rng(seed), int(y.max()) + 1
    chosen = rng.permutation(len(y))[: round(FLIPPED * len(y))]
    labels = y.copy()
    labels[chosen] = (y[chosen] + rng.integers(1, n_classes, len(chosen))) % n_classes
    return labels


if __name__ == "__main__":
    main()
