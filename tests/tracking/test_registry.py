"""Versions and the alias, against a real registry."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import PromotionError
from pipeline.tracking import registry
from pipeline.tracking.packaging import LoggedModel
from pipeline.tracking.runs import Tracked, create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture
def row(client: "MlflowClient", root: Path) -> Tracked:
    return create_run(client, root, "state", row=True, tags={})


def log(client: "MlflowClient", run_id: str, md5: str) -> LoggedModel:
    """A logged model that is ready, of no files."""
    made = client.create_logged_model(client.get_run(run_id).info.experiment_id, "m", run_id)
    client.finalize_logged_model(made.model_id, "READY")
    return LoggedModel(made.model_id, f"models:/{made.model_id}", md5)


def add(client: "MlflowClient", name: str, md5: str, run_id: str) -> registry.Version:
    return registry.register_version(
        client, name, model=log(client, run_id, md5), run_id=run_id, classes=("a", "b")
    )


def test_no_champion_before_the_first(client: "MlflowClient", row: Tracked) -> None:
    assert registry.find_champion(client, "nobody-yet") is None
    add(client, "uncrowned", "a", row.run_id)
    assert registry.find_champion(client, "uncrowned") is None


def test_the_alias_moves(client: "MlflowClient", row: Tracked) -> None:
    first, second = add(client, "moves", "a", row.run_id), add(client, "moves", "b", row.run_id)
    assert [first.number, second.number] == [1, 2]
    for version in (first, second, first):
        registry.crown(client, "moves", version.number)
        assert registry.find_champion(client, "moves") == version


def test_the_same_model_is_one_version(client: "MlflowClient", row: Tracked, root: Path) -> None:
    first = add(client, "same", "a", row.run_id)
    assert add(client, "same", "a", row.run_id) == first
    row.finish("FINISHED")
    other = create_run(client, root, "other", row=True, tags={})
    assert add(client, "same", "a", other.run_id) == first


def test_a_version_keeps_the_hash_of_its_seal(client: "MlflowClient", row: Tracked) -> None:
    for number, (md5, seal) in enumerate([("a", "5ea1"), ("b", "")], 1):
        model = log(client, row.run_id, md5)._replace(seal=seal)
        registry.register_version(client, "sealed", model=model, run_id=row.run_id, classes=("a", "b"))
        tags = client.get_model_version("sealed", str(number)).tags
        assert tags.get(registry.SEAL_TAG, "") == seal


def test_a_version_of_an_unfinished_row_is_not_relied_on(
    client: "MlflowClient", row: Tracked, root: Path
) -> None:
    """That row may be withdrawn, with its versions."""
    first = add(client, "unfinished", "a", row.run_id)
    other = create_run(client, root, "other", row=True, tags={})
    assert add(client, "unfinished", "a", other.run_id).number == first.number + 1


def test_a_version_whose_model_is_gone_is_not_relied_on(
    client: "MlflowClient", row: Tracked, root: Path
) -> None:
    first = add(client, "gone", "a", row.run_id)
    row.finish("FINISHED")
    client.delete_logged_model(first.model_id)
    other = create_run(client, root, "other", row=True, tags={})
    assert add(client, "gone", "a", other.run_id).number == first.number + 1


def test_two_who_register_one_model_together_get_one_version(
    client: "MlflowClient", row: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add(client, "together", "a", row.run_id)
    found = registry._find_usable
    answers: Iterator[list[registry.Version]] = iter(
        [[]]
    )  # the other one was not there yet when this one looked
    monkeypatch.setattr(registry, "_find_usable", lambda *asked: next(answers, None) or found(*asked))
    assert add(client, "together", "a", row.run_id) == first
    assert len(client.search_model_versions("name = 'together'")) == 1


def test_a_version_of_a_deleted_row_is_adopted(client: "MlflowClient", row: Tracked, root: Path) -> None:
    version = add(client, "adopted", "a", row.run_id)
    row.finish("FINISHED")
    other = create_run(client, root, "other", row=True, tags={})
    registry.crown(client, "adopted", version.number)
    for expected in (row.run_id, other.run_id):
        registry.adopt_version(client, "adopted", version.number, other.run_id)
        champion = registry.find_champion(client, "adopted")
        assert champion is not None
        assert champion.run_id == expected
        client.delete_run(row.run_id)


def test_versions_of_a_row_are_deleted_unless_they_are_in_use(client: "MlflowClient", row: Tracked) -> None:
    for md5 in ("a", "b"):
        add(client, "deleted", md5, row.run_id)
    registry.crown(client, "deleted", 2)
    registry.delete_versions(client, row.run_id)
    assert [int(version.version) for version in client.search_model_versions("name = 'deleted'")] == [2]


def test_a_champion_of_unknown_origin_is_refused(client: "MlflowClient", row: Tracked) -> None:
    client.create_registered_model("foreign-champion")
    client.create_model_version("foreign-champion", f"runs:/{row.run_id}/m", row.run_id)
    client.set_registered_model_alias("foreign-champion", registry.CHAMPION, "1")
    with pytest.raises(PromotionError, match="version 1 is champion but was not registered by Darkroom"):
        registry.find_champion(client, "foreign-champion")


def test_a_metric_of_a_version_is_known_or_none(client: "MlflowClient", row: Tracked) -> None:
    version = add(client, "measured", "a", row.run_id)
    row.log_metrics({"n_parameters": 5})
    assert registry.read_metric(client, version, "n_parameters") == 5
    assert registry.read_metric(client, version, "speed") is None
    lost = dataclasses.replace(version, run_id="0" * 32)
    assert registry.read_metric(client, lost, "n_parameters") is None
