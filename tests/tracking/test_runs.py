"""A run on a real MLflow: what it takes, and what becomes of it when MLflow refuses."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import connection
from pipeline.tracking.runs import Run, Tracked, Untracked

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture
def run(client: "MlflowClient", tracking_root: Path) -> Tracked:
    return connection.create_run(client, tracking_root, "clean", tags={})


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
    assert caplog.text.count("the work goes on without it") == 1


def test_a_refused_row_is_an_error(client: "MlflowClient") -> None:
    with pytest.raises(TrackingError, match=r"MLflow stopped answering: .*no-such-run"):
        Tracked(client, "no-such-run", is_strict=True).set_tags({"a": "b"})


def test_an_untracked_run_takes_all_that_a_stage_may_say(tmp_path: Path) -> None:
    run: Run = Untracked()
    run.log_metrics({"a": 1.0}, 3)
    for log in (run.log_artifact, run.log_classifier):
        log(tmp_path / "not there")
    run.log_dataset("raw", tmp_path / "not there", "source")
