"""The scans of toum.zip: accuracy on pictures of the same sources, and on whole sources left out.

Same sources: the split of the pipeline, near-duplicates kept together. Sources left out: five folds over
whole sources (the part of a file name before `__`), so that every picture is tested by a network that has
seen none of its source; a tenth of the other sources' pictures chooses the weights. Printed are the accuracy
over pictures and over sources that weigh alike; and what the model answers by itself, and how much of that is
right, each fold judged by a limit that the other folds chose.

Run: python -m benchmarks.scans [recipe ...] [--tests same-sources] [--seeds 3]
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.audit import SOURCE_OF
from benchmarks.copies import TOUM, developed, params_for
from pipeline.backend.device import set_up_device
from pipeline.collection.groups import find_group_names
from pipeline.collection.pictures import Part
from pipeline.evidence.abstention import answer_nested, average_over
from pipeline.evidence.calibration import fit_temperature
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.serving.answer_rule import AnswerRule
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.tables.split import NAMED, SPLIT
from pipeline.training.cross_validation import FoldAnswerer
from pipeline.training.fold_work import answer_all
from pipeline.training.folds import Fold, deal_folds
from pipeline.training.policy import build_policy

N_FOLDS = 5
MIN_PRECISION = 0.95
FROZEN: dict[str, Any] = {
    "model": "efficientnet_lite0",
    "weights": "imagenet",
    "epochs": 30,
    "learning_rate": 0.003,
    "weight_decay": 0.01,
}
# How strongly to hold the head back was chosen on these very sources: read the gain, not the last point. Few
# heavy pictures make its steps noisy: stopped early and not averaged, seeds are 10 points apart.
HELD_BACK: dict[str, Any] = {"kernel_l2": 8.0, "group_weights": True, "ema": 0.99, "patience": 30}
ALL_LEVELS: dict[str, Any] = HELD_BACK | {"features": "all", "kernel_l2": 3.0}
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "efficientnet_lite0": {"clean": {"image_hw": [224, 224]}, "train": FROZEN},
    "held_back": {"clean": {"image_hw": [224, 224]}, "train": FROZEN | HELD_BACK},
    "all_levels": {"clean": {"image_hw": [224, 224]}, "train": FROZEN | {"features": "all"}},
    "new_sources": {"clean": {"image_hw": [224, 224]}, "train": FROZEN | ALL_LEVELS},
    "compact": {"clean": {"image_hw": [128, 128]}, "train": {"model": "compact", "epochs": 20}},
}


class Scans(NamedTuple):
    """All pictures of the collection: where they lie, what they show; `part.group`: where they come from."""

    shards: Path
    part: Part
    split: npt.NDArray[np.str_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", choices=[*RECIPES, []], default=[])
    parser.add_argument("--tests", nargs="*", choices=list(TESTS), default=list(TESTS))
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    set_up_device()
    print(f"{'recipe':<20}{'test':<20}each seed, mean, seconds", flush=True)
    for recipe in options.recipes or RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            params = params_for(options.source.resolve(), **RECIPES[recipe])
            scans = developed_scans(Paths(Path(folder)), options.source.resolve(), params)
            for test in options.tests:
                sys.stdout.write(f"{recipe:<20}{test:<20}")
                start = time.perf_counter()
                found = []
                for seed in range(options.seeds):
                    result = TESTS[test](scans, seeded(params, seed), Path(folder) / "features")
                    found.append(result.accuracy)
                    sys.stdout.write(f"{result.describe()}  ")
                    sys.stdout.flush()
                print(f"mean {statistics.mean(found):.2%}  {time.perf_counter() - start:.0f} s", flush=True)


def seeded(params: Params, seed: int) -> Params:
    train = params.train.model_copy(update={"seed": seed})
    return params.model_copy(update={"train": train})


def developed_scans(paths: Paths, source: Path, params: Params) -> Scans:
    developed(paths, source, params)
    clean = read_table(paths.clean_manifest, CLEAN_MANIFEST).to_pandas().set_index("id")
    placed = read_table(paths.split, SPLIT).to_pandas().sort_values("id")
    rows = clean.loc[placed["id"]]
    part = Part(
        tuple(placed["id"]),
        rows["shard"].to_numpy(np.int64),
        rows["row"].to_numpy(np.int64),
        placed["class_index"].to_numpy(np.int64),
        group=tuple(f"{NAMED}{name}" for name in find_group_names(rows["key"], SOURCE_OF)),
    )
    return Scans(paths.shards, part, placed["split"].to_numpy(str))


class Result(NamedTuple):
    """The accuracy over pictures; over sources that weigh alike; and the answers that pass the limit."""

    accuracy: float
    of_sources: float | None = None
    coverage: tuple[float, float] = (0.0, 0.0)  # over sources, over pictures
    precision: float = 0.0

    def describe(self) -> str:
        if self.of_sources is None:
            return f"{self.accuracy:.2%}"
        of_sources, of_pictures = self.coverage
        return (
            f"{self.accuracy:.2%} ({self.of_sources:.2%} over sources; answers {of_sources:.0%} over sources "
            f"and {of_pictures:.0%} over pictures, {self.precision:.2%} of them right)"
        )


def same_sources(scans: Scans, params: Params, features: Path) -> Result:
    """Accuracy on the test part of the pipeline's own split."""
    train, val, test = (np.flatnonzero(scans.split == name) for name in ("train", "val", "test"))
    return Result(float(find_right(scans, Fold(train, val, test), params, features).mean()))


def find_right(scans: Scans, fold: Fold, params: Params, features: Path) -> npt.NDArray[np.bool_]:
    """Which pictures of the test part of a fold a network trained on its others gets right."""
    policy = build_policy(params.augment, channels=params.clean.channels)
    how: dict[str, Any] = {"policy": policy, "params": params.train, "features": features}
    y_prob = FoldAnswerer(scans.shards, scans.part, **how).answer(fold, params.train)
    return np.asarray(y_prob.argmax(axis=1) == scans.part.y[fold.test])


def sources_left_out(scans: Scans, params: Params, features: Path) -> Result:
    """Accuracy on all pictures, each tested where its source was left out."""
    part = scans.part
    groups = np.unique(np.array(part.group), return_inverse=True)[1]
    fold = deal_folds(part.y, np.array(part.group), N_FOLDS)
    policy = build_policy(params.augment, channels=params.clean.channels)
    how: dict[str, Any] = {"policy": policy, "params": params.train, "features": features}
    y_prob = answer_all(scans.shards, part, fold, **how)
    tempered = AnswerRule(fit_temperature(part.y, y_prob)).temper(y_prob)
    is_right = np.asarray(tempered.argmax(axis=1) == part.y)
    passes = answer_nested(is_right, tempered.max(axis=1), groups, fold, MIN_PRECISION)
    return Result(
        float(is_right.mean()),
        average_over(groups, is_right),
        (average_over(groups, passes), float(passes.mean())),
        float(is_right[passes].mean()),
    )


TESTS: dict[str, Callable[[Scans, Params, Path], Result]] = {
    "same-sources": same_sources,
    "sources-left-out": sources_left_out,
}

if __name__ == "__main__":
    main()
