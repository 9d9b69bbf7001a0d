"""`darkroom ui`: the addresses of the saved views, and MLflow's server behind them."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pipeline.cli.ui import list_addresses
from pipeline.tracking import connection
from pipeline.tracking.connection import find_experiment


def test_before_the_first_result_it_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (line,) = list_addresses(tmp_path, "http://127.0.0.1:5000")
    assert line == "http://127.0.0.1:5000: there is no result yet; run `dvc repro`"


def test_each_view_has_an_address(tracking_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ui it's")
    client = connection.connect(tracking_root)
    rows, stages = (find_experiment(client, tracking_root, name) for name in ("ui it's", "ui it's-stages"))
    best, charts, classes = list_addresses(tracking_root, "http://127.0.0.1:5000")
    page = "runs?workflowType=machine_learning&viewStateShareKey"
    assert best == f"Which is better:  http://127.0.0.1:5000/#/experiments/{rows}/{page}=darkroom-best"
    assert charts.endswith(f"/experiments/{rows}/{page}=darkroom-charts&compareRunsMode=CHART")
    assert classes.endswith(f"/experiments/{stages}/{page}=darkroom-classes")


def start(root: Path, *words: str) -> "subprocess.Popen[str]":
    """The command in a project of its own."""
    (root / "dvc.yaml").write_text("stages: {}\n")
    repo = Path(connection.__file__).parents[2]
    (root / "params.yaml").write_bytes((repo / "params.yaml").read_bytes())
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.app", "ui", *words],
        cwd=root,
        env=variables | {"PYTHONPATH": str(repo)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_port_that_is_taken_is_one_line_with_one_that_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        printed, said = start(tmp_path, "--port", str(port)).communicate(timeout=60)
    told = f"error: port {port} of 127.0.0.1 cannot be used (Address already in use); end what uses it, or"
    assert said.startswith(told)
    free = int(said.removesuffix("`\n").rpartition(" ")[2])
    assert port < free <= port + 20
    assert (printed, said.count("\n")) == ("", 1)


def test_an_address_of_another_machine_is_one_line(tmp_path: Path) -> None:
    printed, said = start(tmp_path, "--host", "192.0.2.1").communicate(timeout=60)
    assert said.startswith("error: port 5000 of 192.0.2.1 cannot be used (Cannot assign requested address)")
    assert said.endswith("; give an address of this machine, such as `--host 127.0.0.1`, and a free port\n")
    assert (printed, said.count("\n")) == ("", 1)


@pytest.mark.slow
def test_it_serves_the_database_of_the_project(tmp_path: Path) -> None:
    root = tmp_path / "a b?c"
    root.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start(root, "--port", str(port))
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                    assert answer.read() == b"OK"
                    break
            except OSError:
                assert server.poll() is None
                time.sleep(0.5)
        else:
            raise AssertionError("no answer")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=60)
    assert (root / "mlflow" / "mlflow.db").is_file()
