"""Which model serves: a folder, or a version of the registry that is what it was registered as."""

from pathlib import Path

import pytest

from pipeline.cli.served_model import follow_model
from pipeline.errors import ModelError
from pipeline.paths import Paths
from pipeline.serving.seal import write_seal
from tests.toy_classifier import save_toy_classifier


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry of the project itself, not the one that other tests of this process share."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_folder_is_always_the_same_model(project: Paths, tmp_path: Path) -> None:
    save_toy_classifier(tmp_path / "toy")
    find, may_change = follow_model(project, model=str(tmp_path / "toy"), is_last=False)
    assert not may_change
    candidate = find()
    assert candidate.key == find().key == str(tmp_path / "toy")
    about = candidate.about()
    assert (about.name, about.version, about.title, about.card) == ("toy", None, str(tmp_path / "toy"), None)


def test_a_folder_that_was_changed_under_its_seal_is_not_started(project: Paths, tmp_path: Path) -> None:
    save_toy_classifier(tmp_path / "toy")
    write_seal(tmp_path / "toy")
    (tmp_path / "toy" / "classifier.json").write_text("{}")
    find, _ = follow_model(project, model=str(tmp_path / "toy"), is_last=False)
    with pytest.raises(ModelError, match=r"classifier\.json was changed"):
        find().start()


def test_the_last_model_comes_with_its_card_and_its_rule(project: Paths) -> None:
    with pytest.raises(ModelError, match="there is no model of a last run"):
        follow_model(project, model=None, is_last=True)
    save_toy_classifier(project.classifier)
    project.model_card.parent.mkdir(parents=True)
    project.model_card.write_text('{"intended_use": "tests"}')
    find, may_change = follow_model(project, model=None, is_last=True)
    about = find().about()
    assert not may_change
    assert about.title.startswith("model of the last run")
    assert about.card == {"intended_use": "tests"}


@pytest.mark.parametrize(
    ("model", "may_change"), [("m@champion", True), ("models:/m/3", False), (None, True)]
)
def test_an_alias_may_come_to_mean_another_version(
    project: Paths, model: str | None, may_change: bool
) -> None:
    find, found = follow_model(project, model=model, is_last=False)
    assert found == may_change
    with pytest.raises(ModelError, match=r"no champion of|holds no m"):
        find()


def test_what_is_no_address_is_said_at_once(project: Paths) -> None:
    with pytest.raises(ModelError, match="names no model"):
        follow_model(project, model="nonsense", is_last=False)
