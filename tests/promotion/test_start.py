"""The model that training starts from: a real registered one, and why one is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import DataError, ModelError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.promotion.start import read_start_model
from pipeline.serving.model_file import load_network
from pipeline.serving.seal import seal_model, write_seal
from pipeline.storage import hash_file
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.learnt import LEARNT
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.started_from import STARTED_FROM
from pipeline.tracking import connection, registry
from pipeline.tracking.packaging import EXAM, LEARNT_FILE, log_model
from pipeline.tracking.runs import create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARTS = ["train", "train", "val", "test"]
LEARNED = {"id-000": "train", "id-002": "val", "gone": "train"}
PDQ = bytes(range(32))
Register = Callable[..., registry.Version]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"start {request.node.name}".translate(str.maketrans("[]/:", "    "))[:60].strip()


@pytest.fixture
def project(tracking_root: Path, develop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Four pictures of the toy classifier's classes, and the registry of the tests."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(tracking_root))
    pictures = np.zeros((4, 8, 8, 1), np.uint8)
    paths: Paths = develop(tmp_path / "project", pictures, [0, 1, 2, 0], PARTS, ["light", "dark", "odd"])
    return paths


@pytest.fixture
def register(
    client: "MlflowClient", tracking_root: Path, classifier_folder: Path, tmp_path: Path, name: str
) -> Register:
    def register(learnt: pa.Table | None) -> registry.Version:
        folder, exam = tmp_path / "packed" / "classifier", tmp_path / "packed" / EXAM
        shutil.copytree(classifier_folder, folder)
        exam.mkdir()
        if learnt is not None:
            write_table(learnt, exam / LEARNT_FILE)
        row = create_run(client, tracking_root, "state", row=True, tags={})
        seal = write_seal(folder)
        model = log_model(client, row.run_id, folder, md5="m", seal=seal, seal_model=seal_model, exam=exam)
        version = registry.register_version(
            client, name, model=model, run_id=row.run_id, classes=("light", "dark", "odd")
        )
        registry.crown(client, name, version.number)
        return version

    return register


def list_learnt(parts: dict[str, str]) -> pa.Table:
    rows = [{"id": i, "part": part, "pdq": PDQ, "pdq_quality": 90} for i, part in parts.items()]
    return pa.Table.from_pylist(rows, schema=LEARNT)


@pytest.fixture
def params(params_of: Callable[..., Params], name: str) -> Callable[[Any], Params]:
    return lambda asked: params_of(train={"start_from": asked}, promote={"model_name": name})


@pytest.mark.parametrize("asked", ["champion", 1])
def test_weights_and_pictures_of_a_registered_model(
    asked: object, project: Paths, register: Register, params: Any, classifier_folder: Path, name: str
) -> None:
    register(list_learnt(LEARNED))
    start = read_start_model(params(asked), project)
    weights = load_network(classifier_folder / "model.keras").get_weights()
    assert [one.tolist() for one in start.network.get_weights()] == [one.tolist() for one in weights]
    assert start.name == f"{name} version 1"
    assert start.sha256 == hash_file(classifier_folder / "model.keras")
    assert start.learnt["model"].unique().to_pylist() == [start.name]
    assert start.learnt.select(LEARNT.names) == list_learnt(LEARNED)
    assert start.learnt.schema == STARTED_FROM


def test_nothing_is_asked_where_training_starts_from_nothing(tmp_path: Path, params: Any) -> None:
    start = read_start_model(params("none"), Paths(tmp_path))
    assert (start.name, start.network, start.sha256, len(start.learnt)) == ("", None, "", 0)


@pytest.mark.parametrize(
    ("learned", "said"),
    [
        pytest.param(
            {"id-003": "train"},
            "1 pictures that are in test now, or that look like one it knows, such as 3.png",
            id="test",
        ),
        pytest.param({"id-003": "val"}, ".* in test now, .* such as 3.png", id="test-chose-its-weights"),
        pytest.param({"id-002": "train"}, ".* in val now, .* such as 2.png", id="val"),
    ],
)
def test_no_picture_that_judges_was_learned_from(
    learned: dict[str, str], said: str, project: Paths, register: Register, params: Any
) -> None:
    register(list_learnt(learned))
    with pytest.raises(DataError, match=rf"version 1 knows {said}; split as it was"):
        read_start_model(params("champion"), project)


def test_a_test_picture_that_was_saved_again_is_known(
    project: Paths, register: Register, params: Any
) -> None:
    """Its file is another one, and the one that was learned from is gone."""
    clean = read_table(project.clean_manifest, CLEAN_MANIFEST)
    rows = [row | {"pdq": PDQ if row["id"] == "id-003" else bytes(32)} for row in clean.to_pylist()]
    rows = [row | {"pdq_quality": 90} for row in rows]
    write_table(pa.Table.from_pylist(rows, schema=CLEAN_MANIFEST), project.clean_manifest)
    register(list_learnt({"gone": "val"}))
    with pytest.raises(DataError, match=r"knows 1 pictures that are in test now, .* such as 3\.png"):
        read_start_model(params("champion"), project)


def test_a_model_that_is_not_there(project: Paths, params: Any) -> None:
    for asked in ("champion", 7):
        with pytest.raises(ModelError, match=r"^train.start_from: the registry holds no .*; set it to none"):
            read_start_model(params(asked), project)


def test_other_classes(project: Paths, register: Register, params: Any) -> None:
    register(list_learnt(LEARNED))
    project.classes.write_text('["light", "dark"]')
    with pytest.raises(
        ModelError, match="has the classes light, dark, odd, and the collection has light, da"
    ):
        read_start_model(params("champion"), project)


@pytest.mark.parametrize("learnt", [None, pa.table({"id": ["id-000"]})])
def test_a_model_of_an_older_darkroom(
    learnt: pa.Table | None, project: Paths, register: Register, params: Any
) -> None:
    register(learnt)
    with pytest.raises(ModelError, match="version 1 does not say which pictures it learned from"):
        read_start_model(params("champion"), project)


def test_a_model_that_was_changed(
    client: "MlflowClient", project: Paths, register: Register, params: Any
) -> None:
    version = register(list_learnt(LEARNED))
    location = client.get_logged_model(version.model_id).artifact_location.removeprefix("file://")
    write_table(list_learnt({}), Path(location) / "artifacts" / EXAM / LEARNT_FILE)
    with pytest.raises(
        ModelError, match=r"is not as it was registered: artifacts/exam/learnt\.parquet was cha"
    ):
        read_start_model(params("champion"), project)
