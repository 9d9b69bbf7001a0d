"""Models in a real registry, found by their address three ways, and their files brought here whole."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ModelError, TrackingError
from pipeline.tracking import connection, registry, rows, stored_models
from pipeline.tracking.artifacts import fetch_answers
from pipeline.tracking.packaging import log_model
from pipeline.tracking.runs import create_run
from pipeline.tracking.stored_models import Address, StoredModel, fetch_classifier, find_model, parse_address
from tests.mlflow_server import run_own_server, run_server

if TYPE_CHECKING:
    from mlflow import MlflowClient

DECISION = {"verdict": "PROMOTE", "model_name": "m", "version": 1, "champion_before": None, "reasons": []}
SCORES = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95}


def register(client: "MlflowClient", root: Path, folder: Path, name: str) -> registry.Version:
    """A version with the files of a classifier, crowned by a row that has a decision and scores."""
    row = create_run(client, root, "state", row=True, tags={})
    model = log_model(client, row.run_id, folder, md5=name, seal="5ea1")
    row.log_metrics(SCORES)
    rows.record(row, DECISION, "")
    version = registry.register_version(client, name, model=model, run_id=row.run_id, classes=("a", "b"))
    registry.crown(client, name, version.number)
    return version


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("a@b", Address("a", alias="b"), id="alias"),
        pytest.param("a b.c/12", Address("a b.c", number=12), id="version"),
        pytest.param("models:/a@b", Address("a", alias="b"), id="alias-as-MLflow-writes-it"),
        pytest.param("models:/a/3", Address("a", number=3), id="version-as-MLflow-writes-it"),
    ],
)
def test_an_address_names_a_version(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["a", "", "a@", "@b", "a/b", "a/1/2", "a@b@c", "runs:/a/1", "../no/folder"])
def test_what_is_no_address_is_one_line(text: str) -> None:
    with pytest.raises(
        ModelError, match="names no model; allowed: the folder of a classifier, or NAME@alias"
    ):
        parse_address(text)


def test_database_server_and_mlflow_say_the_same(
    client: "MlflowClient", root: Path, classifier_folder: Path, tmp_path: Path
) -> None:
    version = register(client, root, classifier_folder, "three-ways")
    database = connection.find_database(root)
    assert database
    found = find_model(root, Address("three-ways", alias="champion"))
    assert found
    assert (found.number, found.aliases, found.verdict) == (version.number, ("champion",), "PROMOTE")
    assert found.accuracy == (0.9, 0.8, 0.95)
    assert found.seal == "5ea1"
    assert (fetch_classifier(root, found) / "model.keras").read_bytes() == (
        classifier_folder / "model.keras"
    ).read_bytes()
    with run_server(tmp_path, f"sqlite:///{database}") as (_, uri):
        for address in (
            Address("three-ways", alias="champion"),
            Address("three-ways", number=version.number),
        ):
            assert stored_models._ask_database(database, address) == found
            assert stored_models._ask_client(root, address) == found
            assert stored_models._ask_server(uri, address) == found


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(Address("nobody", alias="champion"), id="name"),
        pytest.param(Address("there", alias="other"), id="alias"),
        pytest.param(Address("there", number=99), id="number"),
    ],
)
def test_what_the_registry_lacks_is_none(
    address: Address, client: "MlflowClient", root: Path, classifier_folder: Path
) -> None:
    if not find_model(root, Address("there", alias="champion")):
        register(client, root, classifier_folder, "there")
    assert find_model(root, address) is None
    assert stored_models._ask_client(root, address) is None


def test_a_version_that_others_registered_is_refused_before_its_files_are_looked_at(
    client: "MlflowClient", root: Path, tmp_path: Path
) -> None:
    (tmp_path / "MLmodel").touch()
    client.create_registered_model("foreign")
    client.create_model_version("foreign", tmp_path.as_uri())
    registry.crown(client, "foreign", 1)
    database = connection.find_database(root)
    assert database
    said = "foreign version 1 was not registered by Darkroom, so it is no model of Darkroom's"
    for address in (Address("foreign", alias="champion"), Address("foreign", number=1)):
        found = find_model(root, address)
        assert found
        for fetch in (fetch_classifier, stored_models.fetch_model):
            with pytest.raises(ModelError, match=said):
                fetch(root, found)
        assert stored_models._ask_client(root, address) == found
        with run_server(tmp_path, f"sqlite:///{database}") as (_, uri):
            assert stored_models._ask_server(uri, address) == found


def test_without_a_database_there_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert find_model(tmp_path, Address("a", alias="champion")) is None
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match=r"MLflow at http://127\.0\.0\.1:9 cannot be used"):
        find_model(tmp_path, Address("a", alias="champion"))


def test_files_that_are_gone_are_named(tmp_path: Path) -> None:
    model = StoredModel("m", 3, (), (tmp_path / "gone").as_uri())
    with pytest.raises(
        TrackingError, match=r"the files of m version 3 are gone, or on another machine: .*gone"
    ):
        fetch_classifier(tmp_path, model)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that keeps artifacts where only it can reach them."""
    with run_own_server(tmp_path_factory.mktemp("remote")) as uri:
        yield uri


# In a process of its own: which folder, and whether MLflow was imported.
FETCH = """
import json, sys
from pathlib import Path
from pipeline.tracking.stored_models import fetch_classifier, find_model, parse_address
root = Path(sys.argv[1])
folder = fetch_classifier(root, find_model(root, parse_address(sys.argv[2])))
print(json.dumps([str(folder), "mlflow" in sys.modules]))
"""


def fetch(root: Path, address: str) -> tuple[Path, bool]:
    command = [sys.executable, "-c", FETCH, str(root), address]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    folder, has_mlflow = json.loads(done.stdout.splitlines()[-1])
    return Path(folder), has_mlflow


def test_a_champion_of_the_project_is_found_without_importing_mlflow(
    client: "MlflowClient", root: Path, classifier_folder: Path
) -> None:
    register(client, root, classifier_folder, "near")
    folder, has_mlflow = fetch(root, "near@champion")
    assert not has_mlflow
    assert (folder / "model.keras").is_file()


def test_files_of_a_server_come_once_and_whole(
    remote: str, classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time MLflow is not even imported; what a kill left half-fetched is made anew."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", remote)
    client = connection.connect(tmp_path)
    register(client, tmp_path, classifier_folder, "far")

    classifier, has_mlflow = fetch(tmp_path, "far@champion")
    assert has_mlflow
    folder = classifier.parents[1]
    assert folder.parent == tmp_path / ".darkroom" / "models"
    whole = {path.name: path.read_bytes() for path in classifier_folder.iterdir()}
    assert {path.name: path.read_bytes() for path in classifier.iterdir()} == whole
    assert (folder / "MLmodel").is_file()
    assert fetch(tmp_path, "far@champion") == (classifier, False)
    folder.with_suffix(".part").mkdir()
    folder.rename(folder.with_suffix(".part") / "model")
    (folder.with_suffix(".part") / "model" / "half").write_bytes(b"of a file")
    found = find_model(tmp_path, Address("far", alias="champion"))
    assert found
    assert fetch_classifier(tmp_path, found) == classifier
    assert {path.name: path.read_bytes() for path in classifier.iterdir()} == whole
    assert not folder.with_suffix(".part").exists()

    os.utime(folder, (0, 0))
    for number in range(7):
        other = folder.with_name(f"far-{number}")
        other.mkdir()
        os.utime(other, (number + 1, number + 1))
    assert fetch_classifier(tmp_path, found) == classifier
    kept = {folder.name, f"{folder.name}.lock", *(f"far-{number}" for number in range(3, 7))}
    assert {path.name for path in folder.parent.iterdir()} == kept, "those used last"


def test_answers_of_a_row_on_a_server_come_once(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", remote)
    client = connection.connect(tmp_path)
    made = []
    for names in (("predictions.parquet", "classes.json"), ("predictions.parquet",)):
        row = create_run(client, tmp_path, "row", row=True, tags={})
        for name, folder in zip(names, ("evaluate", "split"), strict=False):
            (tmp_path / name).write_text(folder)
            row.log_artifact(tmp_path / name, folder)
        made.append(client.get_run(row.run_id))
    found = fetch_answers(tmp_path, made[0])
    assert found
    assert [path.read_text() for path in found] == ["evaluate", "split"]
    found[0].write_text("kept")
    assert fetch_answers(tmp_path, made[0]) == found
    assert found[0].read_text() == "kept"
    assert fetch_answers(tmp_path, made[1]) is None, "half of them"
