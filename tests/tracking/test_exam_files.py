"""The test answers of a version, against a real registry: from the model or its row, and unchanged."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import PromotionError
from pipeline.tracking import exam_files, registry
from pipeline.tracking.packaging import EXAM_FILES, LEARNT_FILE, LoggedModel, hash_exam
from pipeline.tracking.runs import Tracked, create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture
def row(client: "MlflowClient", root: Path) -> Tracked:
    return create_run(client, root, "state", row=True, tags={})


def add(client: "MlflowClient", name: str, run_id: str, exam: str = "") -> registry.Version:
    """A version whose logged model is ready, of no files."""
    made = client.create_logged_model(client.get_run(run_id).info.experiment_id, "m", run_id)
    client.finalize_logged_model(made.model_id, "READY")
    model = LoggedModel(made.model_id, f"models:/{made.model_id}", "a", exam=exam)
    return registry.register_version(client, name, model=model, run_id=run_id, classes=("a", "b"))


def test_answers_are_fetched_from_the_row_or_the_model(
    client: "MlflowClient", row: Tracked, tmp_path: Path
) -> None:
    version = add(client, "answers", row.run_id)
    assert exam_files.fetch_exam(client, version, tmp_path) is None
    for name, folder in zip(EXAM_FILES, ("evaluate", "split"), strict=True):
        (tmp_path / name).write_text("of the row")
        row.log_artifact(tmp_path / name, folder)
    found = exam_files.fetch_exam(client, version, tmp_path / "row")
    assert found is not None
    assert [path.read_text() for path in found] == ["of the row"] * 2
    exam = tmp_path / "m" / "artifacts" / "exam"
    exam.mkdir(parents=True)
    for name in EXAM_FILES:
        (exam / name).write_text("of the model")
    client.log_model_artifacts(version.model_id, str(tmp_path / "m"))
    found = exam_files.fetch_exam(client, version, tmp_path / "model")
    assert found is not None
    assert [path.read_text() for path in found] == ["of the model"] * 2


def test_what_lies_beside_the_exam_is_fetched_where_it_is_known(
    client: "MlflowClient", row: Tracked, tmp_path: Path
) -> None:
    version = add(client, "learned", row.run_id)
    assert exam_files.fetch_beside_exam(client, version, LEARNT_FILE, tmp_path) is None
    exam = tmp_path / "m" / "artifacts" / "exam"
    exam.mkdir(parents=True)
    (exam / LEARNT_FILE).write_text("ids")
    client.log_model_artifacts(version.model_id, str(tmp_path / "m"))
    found = exam_files.fetch_beside_exam(client, version, LEARNT_FILE, tmp_path / "into")
    assert found is not None
    assert found.read_text() == "ids"
    client.delete_logged_model(version.model_id)
    assert exam_files.fetch_beside_exam(client, version, LEARNT_FILE, tmp_path) is None


def test_answers_that_were_changed_are_refused_by_name(
    client: "MlflowClient", row: Tracked, tmp_path: Path
) -> None:
    exam = tmp_path / "m" / "artifacts" / "exam"
    exam.mkdir(parents=True)
    for name in (*EXAM_FILES, LEARNT_FILE):
        (exam / name).write_text(name)
    version = add(client, "sealed-exam", row.run_id, hash_exam(exam))
    client.log_model_artifacts(version.model_id, str(tmp_path / "m"))
    assert exam_files.fetch_exam(client, version, tmp_path / "whole") is not None
    for name in (EXAM_FILES[0], LEARNT_FILE):
        (exam / name).write_text("changed")
    client.log_model_artifacts(version.model_id, str(tmp_path / "m"))
    with pytest.raises(PromotionError, match=r"were changed in MLflow .* \(predictions\.parquet\)"):
        exam_files.fetch_exam(client, version, tmp_path / "a")
    with pytest.raises(PromotionError, match=r"\(learnt\.parquet\)"):
        exam_files.fetch_beside_exam(client, version, LEARNT_FILE, tmp_path / "b")
