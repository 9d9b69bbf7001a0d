"""Runs and rows against a real MLflow on SQLite, and against a server that is not there."""

import json
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
from pipeline.tracking import connection
from pipeline.tracking.runs import Untracked

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
def root(tracking_root: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A root with a database, and experiments of this test's own."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    return tracking_root


@pytest.fixture
def client(root: Path) -> "MlflowClient":
    return connection.connect(root)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({}, "sqlite:////p/mlflow/mlflow.db", id="default"),
        pytest.param(
            {"DVC_ROOT": "/home"}, "sqlite:////home/mlflow/mlflow.db", id="the repository of a --temp copy"
        ),
        pytest.param(
            {"MLFLOW_TRACKING_URI": "sqlite:///a.db"}, "sqlite:////p/a.db", id="relative made absolute"
        ),
        pytest.param({"MLFLOW_TRACKING_URI": "sqlite:////a.db"}, "sqlite:////a.db", id="absolute kept"),
        pytest.param({"MLFLOW_TRACKING_URI": "http://h:1"}, "http://h:1", id="server"),
    ],
)
def test_tracking_uri(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert connection.tracking_uri(Path("/p")) == expected


def test_stage_run_holds_what_was_said(root: Path, client: "MlflowClient", tmp_path: Path) -> None:
    table = tmp_path / "table.bin"
    table.write_bytes(b"rows")
    with connection.stage_run(root, "clean", {"clean.channels": 3}, required=False) as run:
        run.log_metrics({"n_kept": 7})
        for epoch in (0, 1):
            run.log_metrics({"curve/loss": 1.0 - epoch}, epoch)
        run.log_artifact(table, "tables")
        run.log_dataset("raw", table, "source")
    (found,) = connection.find_runs(client, row=False, tag=connection.STAGE_TAG, value="clean")
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
    with pytest.raises(error), connection.stage_run(root, "clean", {}, required=False):
        raise error
    (found,) = connection.find_runs(client, row=False, tag=connection.STAGE_TAG, value="clean")
    assert found.info.status == status


def test_a_row_is_found_with_its_decision(root: Path, client: "MlflowClient") -> None:
    assert connection.recorded_decision(root, "one") is None
    with connection.new_row(client, root, "state-one", "one") as row:
        row.set_tags({connection.DECISION_TAG: json.dumps({"verdict": "HOLD"})})
        assert connection.recorded_decision(root, "one") is None, "an unfinished row is no record"
    assert connection.recorded_decision(root, "one") == {"verdict": "HOLD"}
    assert connection.recorded_decision(root, "two") is None


def test_the_short_cut_through_sqlite_and_mlflow_agree(
    root: Path, client: "MlflowClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.new_row(client, root, "state-one", "one") as row:
        row.set_tags({connection.DECISION_TAG: json.dumps({"verdict": "HOLD"})})
    monkeypatch.setattr(connection, "_RECORDED", "SELECT from a schema MLflow no longer has")
    assert connection.recorded_decision(root, "one") == {"verdict": "HOLD"}
    assert connection.recorded_decision(root, "two") is None


def test_a_row_that_fails_leaves_nothing(root: Path, client: "MlflowClient") -> None:
    with pytest.raises(ValueError, match="half way"), connection.new_row(client, root, "state", "one"):
        raise ValueError("half way")
    assert connection.find_runs(client, row=True, tag=connection.STATE_TAG, value="one") == []


def test_a_row_that_was_killed_is_replaced(root: Path, client: "MlflowClient") -> None:
    connection.create_run(client, root, "state", row=True, tags={connection.STATE_TAG: "one"})
    with connection.new_row(client, root, "state", "one") as row:
        pass
    found = connection.find_runs(client, row=True, tag=connection.STATE_TAG, value="one")
    assert [run.info.run_id for run in found] == [row.run_id]


def test_server_away_data_stages_go_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    with connection.stage_run(root, "clean", {}, required=False) as run:
        assert isinstance(run, Untracked)
    assert "clean goes on untracked" in caplog.text


def test_server_away_is_one_line_without_the_password(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY.replace("//", "//me:secret@"))
    with pytest.raises(TrackingError, match=r"cannot be used .*refused.*start the server") as caught:
        connection.connect(root)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_database_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"not a database" * 100)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with pytest.raises(TrackingError, match="not a database"):
        connection.connect(tmp_path)


@pytest.mark.slow
def test_a_server_lost_half_way_costs_no_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with mlflow_server(root) as (server, uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with connection.stage_run(root, "clean", {"clean.channels": 3}, required=True) as run:
            run.log_metrics({"n": 1})
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            for n in (2, 3):
                run.log_metrics({"n": n})
    assert caplog.text.count("the work goes on without it") == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (found,) = connection.find_runs(
        connection.connect(root), row=False, tag=connection.STAGE_TAG, value="clean"
    )
    assert found.data.metrics == {"n": 1}


@contextmanager
def mlflow_server(root: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A real server over the database of `root`, answering when this yields."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    store = ["--backend-store-uri", connection.tracking_uri(root)]
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


@pytest.mark.slow
def test_three_processes_that_first_touch_the_database_together(tmp_path: Path) -> None:
    code = "import pathlib, sys; from pipeline.tracking.connection import connect; connect(pathlib.Path(sys.argv[1]))"
    variables = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "DVC_ROOT")}
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, env=variables) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
