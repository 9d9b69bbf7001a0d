"""What people read of a version."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking.lineage import compute_md5
from pipeline.tracking.runs import create_run
from pipeline.tracking.version_tags import CARD_TAG, TEST_TAG, describe_version
from tests.tracking.test_registry import add

if TYPE_CHECKING:
    from mlflow import MlflowClient


def test_a_version_says_where_it_came_from_and_what_it_is(
    client: "MlflowClient", root: Path, tmp_path: Path
) -> None:
    tags = {
        "dvc.lock_state": "a state",
        "mlflow.source.git.commit": "c0ffee",
        CARD_TAG: "Sorts pictures into 2 classes: a, b." + " Words." * 1000,
        TEST_TAG: "7e57",
        "mlflow.note.content": "PROMOTE described version 1: it is better",
    }
    row = create_run(client, root, "conv1 16x16", row=True, tags=tags)
    row.log_metrics({"accuracy": 0.97654321, "n_test": 120, "loss": 1.0})
    (tmp_path / "manifest.parquet").write_bytes(b"pictures")
    row.log_dataset("raw", tmp_path / "manifest.parquet", "source")
    add(client, "described", "md5", row.run_id)
    describe_version(client, "described", 1, verdict="PROMOTE", row=client.get_run(row.run_id))
    found = client.get_model_version("described", "1")
    told = {
        "verdict": "PROMOTE",
        "accuracy": "0.976543",
        "n_test": "120",
        "dvc.lock_state": "a state",
        "git.commit": "c0ffee",
        "test.sha256": "7e57",
        "data.md5": compute_md5(tmp_path / "manifest.parquet"),
    }
    assert {key: found.tags[key] for key in told} == told
    assert "loss" not in found.tags
    said = str(found.description)
    assert said.startswith("Sorts pictures into 2 classes: a, b. Words.")
    assert "\n\nPROMOTE described version 1: it is better\n\nRow 'conv1 16x16'." in said
    assert len(said) <= 5000


def test_a_row_of_an_older_darkroom_says_less(client: "MlflowClient", root: Path) -> None:
    row = create_run(client, root, "old", row=True, tags={})
    add(client, "described-old", "md5", row.run_id)
    describe_version(client, "described-old", 1, verdict="HOLD", row=client.get_run(row.run_id))
    found = client.get_model_version("described-old", "1")
    assert str(found.description).startswith("HOLD\n\nRow 'old'.")
    assert "test.sha256" not in found.tags
