"""The card of a version is found where its evaluation logged it, or there is none."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.tracking import connection
from pipeline.tracking.model_cards import read_card
from pipeline.tracking.runs import create_run
from pipeline.tracking.stored_models import StoredModel
from tests.mlflow_server import run_server

if TYPE_CHECKING:
    from mlflow import MlflowClient

CARD = {"intended_use": "tests"}


def log_card(client: "MlflowClient", root: Path, folder: Path, text: str) -> StoredModel:
    run = create_run(client, root, "evaluate", tags={})
    (folder / "model_card.json").write_text(text)
    client.log_artifact(run.run_id, str(folder / "model_card.json"))
    return StoredModel("m", 1, (), "", evaluation=run.run_id)


def test_the_card_of_the_projects_own_database(client: "MlflowClient", root: Path, tmp_path: Path) -> None:
    assert read_card(root, log_card(client, root, tmp_path, json.dumps(CARD))) == CARD


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_what_is_no_card_is_none(client: "MlflowClient", root: Path, tmp_path: Path, text: str) -> None:
    assert read_card(root, log_card(client, root, tmp_path, text)) is None


@pytest.mark.parametrize("evaluation", ["", "f" * 32])
def test_a_version_that_nobody_evaluated_has_none(root: Path, evaluation: str) -> None:
    assert read_card(root, StoredModel("m", 1, (), "", evaluation=evaluation)) is None


@pytest.mark.slow
def test_the_card_of_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_server(tmp_path, f"sqlite:///{tmp_path}/server.db") as (_, uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        client = connection.connect(tmp_path)
        assert read_card(tmp_path, log_card(client, tmp_path, tmp_path, json.dumps(CARD))) == CARD
