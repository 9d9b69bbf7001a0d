"""`darkroom tune` with real processes: what a person reads, what is kept, and what is refused in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.collection.pictures import EXTRA_MANIFEST
from pipeline.collection.shards import ShardWriter
from pipeline.paths import Paths
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import build_table, write_table
from pipeline.training.policy import write_policy
from pipeline.yaml_file import read_yaml

Darkroom = Callable[..., tuple[int, str, str]]
SMALL = {"model": "conv1", "epochs": 2, "batch_size": 8, "precision": "float32", "warmup_epochs": 0}
OFF = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "contrast": 0.0, "brightness": 0.0}
TUNE = {"space": {"train.learning_rate": {"choice": [1e-9, 0.01]}}, "sampler": "grid", "pruner": "none"}


@pytest.fixture
def tuned(project: Paths, tmp_path: Path, develop: Callable[..., Paths]) -> Paths:
    """Two shades that any network tells apart, unless its learning rate is nearly 0."""
    y = np.arange(40) % 2
    pictures = np.repeat(120 * y, 64).reshape(-1, 8, 8, 1).astype(np.uint8)
    parts = ["val" if i % 5 == 0 else "train" for i in range(40)]
    made = develop(tmp_path / "made", pictures, y, parts, ["black", "grey"])
    write_policy([], made.policy)
    with ShardWriter(made.extra, 0, (8, 8, 1), 1):
        pass
    write_table(build_table([], EXTRA, sort_by="id"), made.extra / EXTRA_MANIFEST)
    shutil.copytree(made.root / "data", project.root / "data", dirs_exist_ok=True)
    write(project, train=SMALL | {"learning_rate": 1e-9}, augment=OFF, tune=TUNE, clean={"channels": 1})
    return project


def write(paths: Paths, **sections: dict[str, Any]) -> None:
    values = read_yaml(paths.params)
    for name, changed in sections.items():
        values[name].update(changed)
    YAML().dump(values, paths.params)


@pytest.mark.slow
def test_a_better_setting_is_found_proved_and_written(darkroom: Darkroom, tuned: Paths) -> None:
    code, said, error = darkroom("tune", "-j", "2", "--apply", "--seeds", "2")
    assert code == 0, error
    assert "2 trials, 0 of them ended early, 0 failed" in said
    assert "over 2 seeds the winner's accuracy is 100.0%" in said
    assert "the test set was not looked at" in said
    assert "params.yaml now says train.learning_rate: 0.01" in said
    assert read_yaml(tuned.params)["train"]["learning_rate"] == 0.01
    assert (tuned.stage("search") / "tune" / "trials.csv").is_file()


EXPLODING = {
    "train": {"learning_rate": 1000.0, "optimizer": "sgd"},
    "tune": {"space": {"train.learning_rate": {"choice": [1000.0]}}},
}


@pytest.mark.parametrize(
    ("sections", "words", "said"),
    [
        ({"tune": {"space": {"train.epoch": {"int": [1, 2]}}}}, (), "train.epoch is not a known key"),
        ({"tune": {"space": {"train.epochs": {"int": [2, 2]}}}}, (), "the range from 2 to 2 is empty"),
        ({"tune": {"space": {"train.epochs": {"int": 2}}}}, (), "tune.space.train.epochs.int"),
        ({"tune": {"folds": 1}}, (), "tune.folds: 0 (the validation pictures), or 2"),
        ({"tune": {"folds": 50}}, (), "50 folds need 50 groups"),
        ({}, ("--refine", "--storage", "mysql://"), "cannot be used"),
        (EXPLODING, (), "all its trials failed, the last one with: the loss is"),
    ],
    ids=["key", "range", "kind", "fold", "folds", "database", "nan"],
)
def test_what_cannot_be_is_one_line(
    sections: dict[str, Any], words: tuple[str, ...], said: str, darkroom: Darkroom, tuned: Paths
) -> None:
    write(tuned, **sections)
    code, _, error = darkroom("tune", *words)
    assert code == 1
    last = error.rstrip("\n").split("\n")[-1]
    assert last.startswith("error: ")
    assert said in last


def test_before_the_first_run_it_says_what_to_do(darkroom: Darkroom, project: Paths) -> None:
    code, _, error = darkroom("tune")
    assert code == 1
    assert "dvc repro augment" in error
