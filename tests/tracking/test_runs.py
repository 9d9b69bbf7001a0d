"""runs: what a real MLflow is told of a stage, and what becomes of it when MLflow refuses or is away."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking.connection import connect, resolve_uri
from pipeline.tracking.rows import find_runs
from pipeline.tracking.runs import STAGE_TAG, Run, Tracked, Untracked, create_run, open_stage_run

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
    with open_stage_run(root, "clean", {"clean.channels": 3}, required=False) as run:
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
    with pytest.raises(error), open_stage_run(root, "clean", {}, required=False):
        raise error
    (found,) = find_runs(client, row=False, tag=STAGE_TAG, value="clean")
    assert found.info.status == status


def test_server_away_data_stages_work_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    with open_stage_run(root, "clean", {}, required=False) as run:
        assert isinstance(run, Untracked)
    assert "clean continues untracked" in caplog.text


@pytest.mark.slow
def test_a_server_lost_half_way_costs_no_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with run_server(root) as (server, uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with open_stage_run(root, "clean", {"clean.channels": 3}, required=True) as run:
            run.log_metrics({"n": 1})
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            for n in (2, 3):
                run.log_metrics({"n": n})
    assert caplog.text.count("the work continues without it") == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (found,) = find_runs(connect(root), row=False, tag=STAGE_TAG, value="clean")
    assert found.data.metrics == {"n": 1}


@contextmanager
def run_server(root: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A real server over the database of `root`, answering when this yields."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    store = ["--backend-store-uri", resolve_uri(root)]
    server = subprocess.Popen([*command, *store], cwd=root, start_new_session=True)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/health")
        yield server, f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until_healthy(address: str, within_s: float = 60) -> None:
    last = time.monotonic() + within_s
    while time.monotonic() < last:
        with suppress(OSError), urllib.request.urlopen(address, timeout=1):
            return
        time.sleep(0.2)
    raise TimeoutError(f"{address} did not answer within {within_s} s")
