"""replay: what waited is sent once, whole and in order, whatever dies in between."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import replay as module
from pipeline.tracking.connection import resolve_uri
from pipeline.tracking.replay import replay
from pipeline.tracking.runs import STAGE_TAG, open_stage_run, search_experiment
from pipeline.tracking.spool import SPOOL_TAG, has_waiting
from tests.tracking.dying import DyingClient, KilledError
from tests.tracking.test_spool import say_all

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens
FILES = {"history.csv", "figures/a.png"}


@pytest.fixture
def away(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which two stages ran while the server was away; it is back now."""
    uri, project = resolve_uri(root), tmp_path / "project"
    monkeypatch.setenv("DVC_ROOT", str(project))
    for stage in ("train", "evaluate"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
        with open_stage_run(project, stage, {f"{stage}.n": 3}) as run:
            say_all(run, project / "data" / stage)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return project


def list_files(client: Any, run_id: str, folder: str = "") -> set[str]:
    found: set[str] = set()
    for one in client.list_artifacts(run_id, folder):
        found |= list_files(client, run_id, one.path) if one.is_dir else {one.path}
    return found


def check_sent(client: "MlflowClient", name: str) -> None:
    """Both runs are there, once and whole."""
    found = search_experiment(client, "", f"{name}-stages")[::-1]
    assert [run.data.tags[STAGE_TAG] for run in found] == ["train", "evaluate"]
    for run in found:
        stage = run.info.run_name
        assert run.info.status == "FINISHED"
        assert run.info.end_time >= run.info.start_time
        assert run.data.params == {f"{stage}.n": "3"}
        assert run.data.tags["train.backend"] == "tensorflow"
        assert run.data.tags["mlflow.user"]
        points = client.get_metric_history(run.info.run_id, "curve/loss")
        assert [(point.value, point.step) for point in points] == [(1.0, 1), (0.5, 2)]
        assert all(run.info.start_time <= point.timestamp <= run.info.end_time for point in points)
        assert list_files(client, run.info.run_id) == FILES
        assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["split"]


def test_both_are_sent_once_and_in_order(
    away: Path, client: "MlflowClient", request: pytest.FixtureRequest
) -> None:
    assert replay(away) == ["train", "evaluate"]
    check_sent(client, request.node.name)
    assert not has_waiting(away)
    assert replay(away) == []


def test_a_kill_before_any_call_is_mended_by_the_next(
    away: Path,
    client: "MlflowClient",
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each attempt dies one call later than the one before it, until one is through."""
    attempts = 0
    while has_waiting(away):
        attempts += 1
        dying = DyingClient(client, attempts)
        monkeypatch.setattr(module, "connect", lambda root, dying=dying: dying)
        try:
            replay(away)
        except KilledError:
            continue
    assert attempts > 10
    check_sent(client, request.node.name)


def test_what_the_server_has_whole_is_not_sent_again(
    away: Path, client: "MlflowClient", request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the last call and the removal of what was sent."""
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.tracking.spool.Waiting.remove", lambda self: None)
        assert replay(away) == ["train", "evaluate"]
    assert has_waiting(away)
    before = [run.info.run_id for run in search_experiment(client, "", f"{request.node.name}-stages")]
    replay(away)
    check_sent(client, request.node.name)
    after = [run.info.run_id for run in search_experiment(client, "", f"{request.node.name}-stages")]
    assert before == after


def test_a_server_that_is_still_away_loses_nothing(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    with pytest.raises(TrackingError, match="cannot be used"):
        replay(away)
    assert has_waiting(away)


@pytest.mark.slow
def test_two_at_once_send_each_run_once(
    away: Path, client: "MlflowClient", request: pytest.FixtureRequest
) -> None:
    code = "import sys, pathlib\nfrom pipeline.tracking.replay import replay\n"
    code += "print(replay(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(away)]
    started = [
        subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = {process.communicate(timeout=300)[0].strip() for process in started}
    assert said == {"['train', 'evaluate']", "[]"}
    check_sent(client, request.node.name)


def test_a_run_that_lost_its_server_half_way_is_sent_anew(
    root: Path, client: "MlflowClient", tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What it had said before is removed with it."""
    with open_stage_run(root, "train", {"train.n": 3}) as run:
        run.log_metrics({"curve/loss": 9.0}, 1)
        run.is_lost = True  # type: ignore[attr-defined]
        run.spooled.metrics.clear()  # type: ignore[attr-defined]
        say_all(run, tmp_path / "train")
    name = f"{request.node.name}-stages"
    (half,) = search_experiment(client, "", name)
    assert half.info.status == "RUNNING"
    assert replay(root) == ["train"]
    (whole,) = search_experiment(client, "", name)
    assert whole.info.run_id != half.info.run_id
    assert whole.data.tags[SPOOL_TAG] == half.data.tags[SPOOL_TAG]
    assert list_files(client, whole.info.run_id) == FILES
