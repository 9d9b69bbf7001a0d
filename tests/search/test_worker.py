"""A process of a search: its steps, its runs in MLflow, and how it ends."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.search import study as studies
from pipeline.search import worker
from pipeline.search.terms import make_terms
from pipeline.search.worker import Job
from pipeline.tracking.connection import connect
from pipeline.tracking.runs import Tracked
from pipeline.tracking.search_runs import open_search_run
from pipeline.yaml_file import read_yaml
from tests.search import toys

Values = dict[str, Any]


@pytest.fixture
def job(augmented: Paths, params_values: Values) -> Job:
    params_values["tune"]["space"] = {"train.learning_rate": {"log": [0.001, 0.1]}}
    YAML().dump(params_values, augmented.params)
    address = toys.find_address(augmented.root)
    study = studies.open_study(address, metric="accuracy")
    values = read_yaml(augmented.params)
    studies.agree(study, make_terms(values, check_params(values, "params.yaml"), augmented), address)
    return Job(
        root=str(augmented.root),
        url=address.url,
        study=address.name,
        sampler="random",
        pruner="none",
        seed=0,
        n_trials=2,
        experiment="toys",
        parent="",
        owner="me",
    )


def test_each_trial_is_a_run_below_that_of_the_search(
    job: Job, augmented: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "toys")
    with open_search_run(augmented.root, "toy", {}) as run:
        assert isinstance(run, Tracked)
        worker.work(Job(**json.loads(job.to_line()) | {"parent": run.run_id}))
    client = connect(augmented.root)
    experiment = client.get_experiment_by_name("toys-search")
    assert experiment
    asked = f"tags.`mlflow.parentRunId` = '{run.run_id}'"
    runs = client.search_runs([experiment.experiment_id], asked, order_by=["attributes.start_time"])
    assert [one.info.run_name for one in runs] == ["toy 0", "toy 1"]
    study = studies.open_study(job.address, metric="accuracy")
    for one, trial in zip(runs, study.trials, strict=True):
        assert one.data.tags["trial"] == "complete"
        assert one.data.metrics["val_accuracy"] == trial.value
        rate = studies.read_settings(trial)["train.learning_rate"]
        assert float(one.data.params["train.learning_rate"]) == rate
        assert len(client.get_metric_history(one.info.run_id, "val_accuracy")) == 2


def test_the_terms_of_the_study_count_and_not_params_yaml(job: Job, augmented: Paths) -> None:
    values = read_yaml(augmented.params)
    values["train"]["epochs"] = 50_000
    YAML().dump(values, augmented.params)
    worker.work(job)
    assert len(studies.list_finished(studies.open_study(job.address, metric="accuracy"))) == 2


@pytest.mark.parametrize(
    ("space", "folds", "n_steps", "n_free"),
    [
        ({}, 0, 2, 1),
        ({}, 4, 4, 1),
        ({"train.epochs": {"int": [3, 9]}, "train.warmup_epochs": {"choice": [0, 1.5]}}, 0, 9, 3),
    ],
)
def test_how_often_a_trial_reports(
    space: Values, folds: int, n_steps: int, n_free: int, params_values: Values, augmented: Paths
) -> None:
    params_values["tune"] |= {"space": space, "folds": folds}
    terms = make_terms(params_values, check_params(params_values, "params.yaml"), augmented)
    assert worker.count_steps(terms, params_values) == n_steps
    assert worker.count_free_steps(terms, params_values) == n_free


def test_an_error_is_the_last_line(
    job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(job.to_line()))
    monkeypatch.setattr(worker, "_end_with_stdin", lambda stop: None)
    Paths(Path(job.root)).clean_manifest.unlink()
    with pytest.raises(SystemExit) as end:
        worker.main()
    assert end.value.code == 1
    assert "does not exist" in caplog.records[-1].getMessage()
