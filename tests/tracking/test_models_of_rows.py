"""The model of a row, by the id of its run; asked of the database, of a server, or of MLflow itself."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.tracking import rows, run_lookup
from pipeline.tracking.models_of_rows import find_model_of_row
from pipeline.tracking.runs import create_run
from pipeline.tracking.stored_models import Address

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.mark.parametrize("way", ["database", "mlflow"])
def test_a_row_leads_to_the_version_that_was_decided_on(
    way: str, client: "MlflowClient", tracking_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "mlflow":
        monkeypatch.setattr(run_lookup, "find_database", lambda _: None)
        monkeypatch.setattr(run_lookup, "is_server", lambda _: False)
    row = create_run(client, tracking_root, "state", row=True, tags={})
    assert find_model_of_row(tracking_root, row.run_id) is None
    rows.record(row, {"verdict": "HOLD", "model_name": "of-row", "version": 7, "champion_before": None}, "")
    assert find_model_of_row(tracking_root, row.run_id) == Address("of-row", number=7)
    assert find_model_of_row(tracking_root, "0" * 32) is None


def test_without_a_database_there_is_no_row(tmp_path: Path) -> None:
    assert find_model_of_row(tmp_path, "0" * 32) is None
