"""`darkroom crossval`: what a person reads, what is kept, and what is refused in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.paths import Paths
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import read_table
from pipeline.tracking import connection
from pipeline.training.policy import write_policy
from pipeline.yaml_file import read_yaml

Darkroom = Callable[..., tuple[int, str, str]]
SMALL = {"model": "conv1", "epochs": 1, "batch_size": 8, "precision": "float32"}


@pytest.fixture
def developed(project: Paths, tmp_path: Path, develop: Callable[..., Paths]) -> Paths:
    y = np.arange(24) % 2
    pictures = np.repeat(120 * y, 64).reshape(-1, 8, 8, 1).astype(np.uint8)
    made = develop(tmp_path / "made", pictures, y, ["train"] * 24, ["black", "grey"])
    write_policy([], made.policy)
    shutil.copytree(made.root / "data", project.root / "data", dirs_exist_ok=True)
    values = read_yaml(project.params)
    values["train"].update(SMALL)
    YAML().dump(values, project.params)
    return project


def test_folds_classes_and_luck_are_shown_and_kept(darkroom: Darkroom, developed: Paths) -> None:
    code, said, error = darkroom("crossval", "-k", "3", "--seeds", "2")
    assert code == 0, error
    assert "seed 0" in said
    assert "over 3 folds" in said
    assert "points are fold" in said
    assert len(read_table(developed.crossval, OUT_OF_FOLD)) == 48
    client = connection.connect(developed.root)
    experiment = client.get_experiment_by_name("digits-search")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert {"accuracy", "accuracy_sd_fold", "accuracy_sd_seed"} <= run.data.metrics.keys()
    assert run.data.params["crossval.folds"] == "3"
    assert len(client.get_metric_history(run.info.run_id, "fold_accuracy")) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["-k", "20"], "20 folds need 20 groups", id="folds"),
        pytest.param(["--group", "("], "--group: not a regular expression (", id="pattern"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[str], said: str, darkroom: Darkroom, developed: Paths
) -> None:
    code, _, error = darkroom("crossval", *words)
    assert code == 1
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1


def test_before_the_first_run_it_says_what_to_do(darkroom: Darkroom, project: Paths) -> None:
    code, _, error = darkroom("crossval")
    assert code == 1
    assert "dvc repro" in error
