"""A real MLflow database that all tests of a process share, and in it experiments of each test's own."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.tracking import connection

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture
def root(tracking_root: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A root with a database, and experiments of this test's own; the ledger of all models begins anew."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    (tracking_root / "mlflow" / "ledger.jsonl").unlink(missing_ok=True)
    return tracking_root


@pytest.fixture
def client(root: Path) -> "MlflowClient":
    """A client of that database."""
    return connection.connect(root)
