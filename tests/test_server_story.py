"""The story of the real chain a second time, against a real MLflow server over HTTP that proxies artifacts.

The tests of this file are chapters of one story and run in order on one clone.
"""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.paths import STAGES
from pipeline.tables.parquet import read_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tracking import connection, registry, rows
from tests.clones import QUICK, SHAPES, Clone, draw, make_clone

pytestmark = pytest.mark.slow

N_A_CLASS = 25
_START_TIMEOUT_S = 240


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A plain `mlflow server` with SQLite behind it, and artifacts that only it can reach."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        start = time.monotonic()
        while not is_well(uri):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() - start < _START_TIMEOUT_S
            time.sleep(0.2)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_well(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path, server: str) -> Iterator[Clone]:
    """A clone whose chain has run once with the server as `MLFLOW_TRACKING_URI`."""
    clone = make_clone(repo, tmp_path_factory.mktemp("story") / "darkroom")
    for index, shape in enumerate(SHAPES):
        (clone.paths.raw / shape).mkdir(parents=True)
        for number in range(N_A_CLASS):
            draw(shape, 1000 * index + number).save(clone.paths.raw / shape / f"{number:03d}.png")
    clone.warm = warm
    clone.env["MLFLOW_TRACKING_URI"] = server
    clone.run("git", "init", "-q")
    clone.set_params(QUICK)
    clone.commit()
    clone.run("dvc", "repro")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_EXPERIMENT_NAME", "DVC_ROOT", "DVC_STAGE"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", server)
        yield clone


def test_the_row_is_whole_and_lies_on_the_server(clone: Clone) -> None:
    (row,) = clone.rows()
    assert row.info.status == "FINISHED"
    assert row.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert not (clone.root / "mlflow" / "mlflow.db").exists()
    for stage in STAGES:
        for name, value in json.loads(clone.paths.metrics(stage).read_text()).items():
            assert row.data.metrics[f"{stage}/{name}"] == pytest.approx(value), name
    for stage in STAGES[:-1]:
        assert row.data.tags[f"stage.{stage}.status"] == "ran"
    client = connection.connect(clone.root)
    assert {one.path for one in client.list_artifacts(row.info.run_id, "evaluate")} >= {
        "evaluate/predictions.parquet"
    }


def test_what_serves_is_what_was_evaluated(clone: Clone, server: str, tmp_path: Path) -> None:
    code = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/darkroom@champion")
answers = model.predict([open(path, "rb").read() for path in json.load(sys.stdin)])
print("ANSWERS" + answers.iloc[:, 2:].to_json(orient="values", double_precision=15))
"""
    files = {hashlib.sha256(p.read_bytes()).hexdigest(): str(p) for p in clone.paths.raw.rglob("*.png")}
    table = read_table(clone.paths.predictions, PREDICTIONS)
    asked = json.dumps([files[image_id] for image_id in table["id"].to_pylist()])
    command = [sys.executable, "-c", code, server]
    done = subprocess.run(command, cwd=tmp_path, input=asked, capture_output=True, text=True, check=True)
    served = json.loads(done.stdout.split("ANSWERS")[1])
    assert served == [pytest.approx(row, abs=1e-5) for row in table["y_prob"].to_pylist()]


def test_nothing_to_do_asks_the_server_without_importing_mlflow(clone: Clone) -> None:
    decision = clone.paths.decision.read_bytes()
    assert "nothing to do: PROMOTE darkroom version 1" in clone.run("dvc", "repro")
    cold = {"PATH": clone.env["PATH"]}
    said = clone.run("python", "-X", "importtime", "-m", "pipeline.stages.promote", env=cold)
    assert "nothing to do: PROMOTE darkroom version 1" in said
    assert not re.search(r"\| +mlflow\b", said)
    assert clone.paths.decision.read_bytes() == decision
    assert len(clone.rows()) == 1


def test_the_next_model_is_compared_with_the_champion(clone: Clone) -> None:
    clone.set_params({"train": {"epochs": 4}})
    clone.run("dvc", "repro")
    decision = json.loads(clone.paths.decision.read_text())
    assert (decision["against"], decision["champion_before"], decision["version"]) == ("champion", 1, 2)
    assert decision["n_common"] == json.loads(clone.paths.metrics("evaluate").read_text())["n_test"]


def test_two_promotions_of_one_state_at_once_leave_one_row(clone: Clone) -> None:
    """A server has no lock: both make a row, and one is withdrawn."""
    clone.set_params({"promote": {"min_gain": 0.01}})
    command = ("python", "-m", "pipeline.stages.promote")
    started = [
        subprocess.Popen(command, cwd=clone.root, env=clone.environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert len(clone.rows()) == 3
    check_registry(clone)


def check_registry(clone: Clone) -> None:
    """Every version leads to a finished row and to a model, and the champion is one of them."""
    client: Any = connection.connect(clone.root)
    versions = client.search_model_versions("name = 'darkroom'")
    assert versions
    for version in versions:
        assert registry.is_finished_row(client, version.tags[registry.RUN_TAG])
        assert client.get_logged_model(version.source.removeprefix("models:/")).status == "READY"
    assert registry.find_champion(client, "darkroom") is not None
    assert all(row.info.status == "FINISHED" for row in clone.rows())
    assert all(rows.parse_decision(row.data.tags) for row in clone.rows())
