"""A run by its id: the database, a server and MLflow itself say the same of it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import connection, run_lookup
from pipeline.tracking.run_lookup import find_run
from pipeline.tracking.runs import create_run
from tests.mlflow_server import run_server

if TYPE_CHECKING:
    from mlflow import MlflowClient


def test_all_three_say_the_same(
    client: "MlflowClient", tracking_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(client, tracking_root, "state", tags={"colour": "blue"})
    known = client.get_run(run.run_id)
    found = find_run(tracking_root, run.run_id)
    assert found == (known.data.tags, known.info.artifact_uri)
    assert find_run(tracking_root, "0" * 32) is None
    database = connection.find_database(tracking_root)
    with run_server(tmp_path, f"sqlite:///{database}") as (_, uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert find_run(tracking_root, run.run_id) == found
        assert find_run(tracking_root, "0" * 32) is None
        monkeypatch.setattr(run_lookup, "is_server", lambda _: False)
        assert find_run(tracking_root, run.run_id) == found


def test_a_server_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match=r"MLflow at http://127\.0\.0\.1:9 cannot be used"):
        find_run(tmp_path, "0" * 32)


def test_without_a_database_there_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert find_run(tmp_path, "0" * 32) is None
