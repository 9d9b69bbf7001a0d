"""runs: what a real MLflow is told of a stage, and what becomes of it when MLflow refuses or is away."""

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import runs
from pipeline.tracking.connection import connect, resolve_uri
from pipeline.tracking.processes import PROCESS_TAG, describe_process
from pipeline.tracking.replay import replay
from pipeline.tracking.rows import find_runs
from pipeline.tracking.runs import (
    STAGE_TAG,
    Run,
    Tracked,
    Untracked,
    create_run,
    end_killed_runs,
    open_stage_run,
    search_runs,
    shorten_value,
)
from pipeline.tracking.spool import read_waiting
from tests.conftest import ParamsOf
from tests.mlflow_server import run_server

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
def run(client: "MlflowClient", root: Path) -> Tracked:
    return create_run(client, root, "clean", tags={})


def test_more_than_a_call_takes(run: Tracked) -> None:
    run.log_params({f"p{n}": n for n in range(250)})
    run.log_metrics({f"m{n}": n for n in range(2500)})
    data = run.client.get_run(run.run_id).data
    assert data.params == {f"p{n}": str(n) for n in range(250)}
    assert data.metrics == {f"m{n}": n for n in range(2500)}


def test_a_folder_is_logged_whole(run: Tracked, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("a")
    run.log_artifact(tmp_path, "figures")
    assert [item.path for item in run.client.list_artifacts(run.run_id, "figures/deep")] == [
        "figures/deep/a.txt"
    ]


def test_a_refused_stage_run_is_said_once_and_goes_quiet(
    client: "MlflowClient", caplog: pytest.LogCaptureFixture
) -> None:
    run = Tracked(client, "no-such-run")
    for step in range(3):
        run.log_metrics({"loss": 1.0}, step)
    run.finish("FINISHED")
    assert caplog.text.count("the work continues without it") == 1


def test_a_refused_row_is_an_error(client: "MlflowClient") -> None:
    with pytest.raises(TrackingError, match=r"MLflow stopped answering: .*no-such-run"):
        Tracked(client, "no-such-run", is_strict=True).set_tags({"a": "b"})


def test_an_untracked_run_takes_all_that_a_stage_may_say(tmp_path: Path) -> None:
    run: Run = Untracked()
    run.log_metrics({"a": 1.0}, 3)
    for log in (run.log_artifact, run.log_classifier):
        log(tmp_path / "not there")
    run.log_dataset("raw", tmp_path / "not there", "source")


def test_stage_run_holds_what_was_said(root: Path, client: "MlflowClient", tmp_path: Path) -> None:
    table = tmp_path / "table.bin"
    table.write_bytes(b"rows")
    with open_stage_run(root, "clean", {"clean.channels": 3}) as run:
        run.log_metrics({"n_kept": 7})
        for epoch in (0, 1):
            run.log_metrics({"curve/loss": 1.0 - epoch}, epoch)
        run.log_artifact(table, "tables")
        run.log_dataset("raw", table, "source")
    (found,) = find_runs(client, row=False, tag=STAGE_TAG, value="clean")
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "clean"
    assert found.data.params == {"clean.channels": "3"}
    assert found.data.metrics == {"n_kept": 7, "curve/loss": 0.0}
    assert [m.value for m in client.get_metric_history(found.info.run_id, "curve/loss")] == [1.0, 0.0]
    assert [a.path for a in client.list_artifacts(found.info.run_id, "tables")] == ["tables/table.bin"]
    (dataset,) = found.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.tags[0].value) == ("raw", "source")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(ValueError, "FAILED", id="error"),
        pytest.param(KeyboardInterrupt, "KILLED", id="ctrl-c"),
    ],
)
def test_stage_run_ends_with_the_stage(
    root: Path, client: "MlflowClient", error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), open_stage_run(root, "clean", {}):
        raise error
    (found,) = find_runs(client, row=False, tag=STAGE_TAG, value="clean")
    assert found.info.status == status


def test_server_away_a_stage_works_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its run waits, without an import of MLflow; the run of a stage that fails is not kept."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    with open_stage_run(root, "train", {"train.epochs": 3}) as run:
        run.log_metrics({"n": 1})
    assert "train continues, and its run waits in .darkroom/spool" in caplog.text
    with pytest.raises(ValueError, match="of the stage"), open_stage_run(root, "train", {}):
        raise ValueError("of the stage")
    (waiting,) = read_waiting(root)
    assert waiting.run.params == {"train.epochs": 3}
    assert waiting.run.tags[STAGE_TAG] == "train"
    waiting.remove()


@pytest.mark.slow
def test_a_server_lost_half_way_costs_no_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with run_server(root, resolve_uri(root)) as (server, uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with open_stage_run(root, "clean", {"clean.channels": 3}) as run:
            run.log_metrics({"n": 1}, 1)
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            for n in (2, 3):
                run.log_metrics({"n": n}, n)
    assert caplog.text.count("the work continues without it") == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (half,) = find_runs(connect(root), row=False, tag=STAGE_TAG, value="clean")
    assert half.data.metrics == {"n": 1}
    assert replay(root) == ["clean"]
    (whole,) = find_runs(connect(root), row=False, tag=STAGE_TAG, value="clean")
    assert [point.value for point in connect(root).get_metric_history(whole.info.run_id, "n")] == [1, 2, 3]


def test_runs_of_killed_processes_are_ended_and_no_others(root: Path, client: "MlflowClient") -> None:
    gone = describe_process().replace(f'"pid": {os.getpid()}', '"pid": 4194304')  # above Linux' largest
    assert gone != describe_process()
    made = [
        create_run(client, root, "clean", tags={STAGE_TAG: "clean"} | tag).run_id
        for tag in ({}, {PROCESS_TAG: gone})
    ]
    end_killed_runs(client)
    assert [client.get_run(run_id).info.status for run_id in made] == ["RUNNING", "KILLED"]
    with open_stage_run(root, "split", {}):
        assert client.get_run(made[0]).info.status == "RUNNING"


def test_no_git_is_no_reason_to_stop(
    root: Path, client: "MlflowClient", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    run = create_run(client, root, "clean", tags={})
    assert "mlflow.source.git.commit" not in client.get_run(run.run_id).data.tags


def test_a_long_value_is_cut_and_stays_different(run: Tracked) -> None:
    texts = {name: "x" * 9000 + name for name in ("a", "b")}
    run.log_params(texts)
    found = run.client.get_run(run.run_id).data.params
    assert len(set(found.values())) == 2
    assert {len(value) for value in found.values()} == {6000}
    assert shorten_value("short", 10) == "short"


def test_free_text_is_never_a_name(run: Tracked, params_of: ParamsOf) -> None:
    """Class names are keys of params.yaml, and MLflow allows few characters in the name of a parameter."""
    names = ["Gr\u00f6\u00dfe (1) & Mass", "it's", "a,b", "50 %", "#1", "../up", "+", "x" * 260, ":", "a.b"]
    params = params_of(data={"classes": {name: [str(n)] for n, name in enumerate(names)}})
    run.log_params(params.flatten())
    logged = run.client.get_run(run.run_id).data.params
    assert json.loads(logged["data.classes"]) == {name: [str(n)] for n, name in enumerate(names)}
    assert not [name for name in logged if name.startswith("data.classes.")]


def test_all_rows_are_found_however_many_a_call_gives(
    client: "MlflowClient", root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-pages")
    made = [create_run(client, root, f"row {n}", row=True, tags={}).run_id for n in range(5)]
    monkeypatch.setattr(runs, "_RUNS_A_CALL", 2)
    found = search_runs(client, "", row=True)
    assert sorted(run.info.run_id for run in found) == sorted(made)
