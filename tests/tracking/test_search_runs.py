"""Runs of what is tried beside the chain: below each other, continued, and ended whatever happens."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.tracking.connection import connect
from pipeline.tracking.processes import PROCESS_TAG, describe_process
from pipeline.tracking.runs import PARENT_TAG, Run, Tracked, Untracked
from pipeline.tracking.search_runs import open_search_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture
def root(tracking_root: Path) -> Path:
    return tracking_root


@pytest.fixture
def client(root: Path, monkeypatch: pytest.MonkeyPatch) -> "MlflowClient":
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-a-search")
    made = connect(root)
    for run in list_runs(made):
        made.delete_run(run.info.run_id)
    return made


def list_runs(client: "MlflowClient") -> list[Any]:
    experiment = client.get_experiment_by_name("of-a-search-search")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def name(run: Run) -> str:
    assert isinstance(run, Tracked)
    return run.run_id


def test_a_trial_lies_below_its_search(client: "MlflowClient", root: Path) -> None:
    with (
        open_search_run(root, "tune", {"a": 1}) as parent,
        open_search_run(root, "0", {}, parent=parent) as run,
    ):
        pass
    assert client.get_run(name(run)).data.tags[PARENT_TAG] == name(parent)
    with open_search_run(root, "1", {}, parent=Untracked()) as alone:
        pass
    assert PARENT_TAG not in client.get_run(name(alone)).data.tags


def test_a_search_continues_in_its_own_run(client: "MlflowClient", root: Path) -> None:
    with open_search_run(root, "tune", {"tune.trials": 5}) as first:
        pass
    with open_search_run(root, "tune", {"tune.trials": 9}, known_id=name(first)) as again:
        assert name(again) == name(first)
        assert client.get_run(name(first)).info.status == "RUNNING"
    found = client.get_run(name(first))
    assert found.data.tags[PROCESS_TAG] == describe_process()
    assert (found.info.status, found.data.params["tune.trials"]) == ("FINISHED", "5")


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_run_that_is_gone_is_begun_anew(is_deleted: bool, client: "MlflowClient", root: Path) -> None:
    known = "0" * 32
    if is_deleted:
        with open_search_run(root, "tune", {}) as first:
            known = name(first)
        client.delete_run(known)
    with open_search_run(root, "tune", {"a": 1}, known_id=known) as again:
        pass
    assert name(again) != known
    assert client.get_run(name(again)).data.params == {"a": "1"}


def test_a_run_whose_process_was_killed_is_ended_by_the_next(client: "MlflowClient", root: Path) -> None:
    with open_search_run(root, "killed", {}) as killed:
        pass
    client.update_run(name(killed), status="RUNNING")
    gone = describe_process().replace(f'"pid": {os.getpid()}', '"pid": 4194304')  # above Linux' largest
    client.set_tag(name(killed), PROCESS_TAG, gone)
    with open_search_run(root, "next", {}):
        pass
    assert client.get_run(name(killed)).info.status == "KILLED"


def test_a_run_that_is_interrupted_at_its_very_start_is_ended(
    client: "MlflowClient", root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Tracked, params: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-interrupts")
    monkeypatch.setattr(Tracked, "log_params", interrupt)
    with pytest.raises(KeyboardInterrupt), open_search_run(root, "x", {"a": 1}):
        pass
    experiment = client.get_experiment_by_name("of-interrupts-search")
    assert experiment
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["KILLED"]
