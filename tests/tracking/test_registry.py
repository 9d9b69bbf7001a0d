"""Versions and the alias, against a real registry."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import PromotionError
from pipeline.tracking import registry
from pipeline.tracking.runs import create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture
def run_id(client: "MlflowClient", root: Path) -> str:
    return create_run(client, root, "state", row=True, tags={}).run_id


def add(client: "MlflowClient", name: str, md5: str, run_id: str) -> registry.Version:
    return registry.register_version(
        client, name, model_uri=f"runs:/{run_id}/m", model_md5=md5, run_id=run_id
    )


def test_no_champion_before_the_first(client: "MlflowClient", run_id: str) -> None:
    assert registry.find_champion(client, "nobody-yet") is None
    add(client, "uncrowned", "a", run_id)
    assert registry.find_champion(client, "uncrowned") is None


def test_the_alias_moves(client: "MlflowClient", run_id: str) -> None:
    first, second = add(client, "moves", "a", run_id), add(client, "moves", "b", run_id)
    assert [first.number, second.number] == [1, 2]
    for version in (first, second, first):
        registry.crown(client, "moves", version.number)
        assert registry.find_champion(client, "moves") == version


def test_the_same_model_is_one_version(client: "MlflowClient", run_id: str) -> None:
    assert add(client, "same", "a", run_id) == add(client, "same", "a", run_id)


def test_a_champion_of_unknown_origin_is_refused(client: "MlflowClient", run_id: str) -> None:
    client.create_registered_model("foreign")
    client.create_model_version("foreign", f"runs:/{run_id}/m", run_id)
    client.set_registered_model_alias("foreign", registry.CHAMPION, "1")
    with pytest.raises(PromotionError, match="version 1 is champion but was not registered by Darkroom"):
        registry.find_champion(client, "foreign")


def test_a_lost_artifact_is_a_clear_error(client: "MlflowClient", run_id: str, tmp_path: Path) -> None:
    with pytest.raises(PromotionError, match=r"predictions\.parquet of run .* cannot be read"):
        registry.fetch_artifact(client, run_id, "evaluate/predictions.parquet", tmp_path)
