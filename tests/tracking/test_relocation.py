"""A project that was moved or copied: its artifacts are found where they lie now."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.tracking import connection
from pipeline.tracking.packaging import log_model
from pipeline.tracking.registry import register_version
from pipeline.tracking.relocation import repair_locations
from pipeline.tracking.runs import create_run

NAME = "my scans"


@pytest.fixture
def before(tmp_path: Path, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a row, an artifact and a registered model."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", NAME)
    root = tmp_path / "before"
    root.mkdir()
    (root / "note.txt").write_text("kept")
    client = connection.connect(root)
    row = create_run(client, root, "row", row=True, tags={})
    row.log_artifact(root / "note.txt")
    model = log_model(client, row.run_id, classifier_folder, md5="x")
    register_version(client, NAME, model=model, run_id=row.run_id, classes=("a", "b"))
    row.finish("FINISHED")
    return root


def read_back(root: Path) -> str:
    """The artifact and the model, as MLflow finds them."""
    import mlflow

    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it in this process
    client = connection.connect(root)
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    (row,) = client.search_runs([experiment.experiment_id])
    text = Path(mlflow.artifacts.download_artifacts(f"{row.info.artifact_uri}/note.txt")).read_text()
    model = client.get_model_version(NAME, "1").source
    assert (Path(mlflow.artifacts.download_artifacts(model)) / "MLmodel").is_file()
    assert str(root) in row.info.artifact_uri.replace("%20", " ")
    return text


def test_a_project_that_was_moved(before: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    after = before.rename(tmp_path / "after moving")
    caplog.set_level("INFO", logger="pipeline.tracking.relocation")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    assert repair_locations(after)
    assert "the project lies elsewhere now" in caplog.text
    assert read_back(after) == "kept"
    assert not repair_locations(after)


def test_a_copy_has_its_own_and_the_original_keeps_its(before: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(before, tmp_path / "copy"))
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    assert repair_locations(copy)
    assert read_back(copy) == read_back(before) == "kept"
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    assert not repair_locations(before)


def test_a_database_of_others_is_left_alone(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = before.rename(tmp_path / "after")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{after}/mlflow/mlflow.db")
    assert not repair_locations(tmp_path / "another project")


def test_where_there_is_no_database(tmp_path: Path) -> None:
    assert not repair_locations(tmp_path)
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_text("no database")
    assert not repair_locations(tmp_path)
