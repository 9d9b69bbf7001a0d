"""Fixtures that several test files share: a whole small project in a temporary folder."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from pipeline.collection.confirmed_labels import write_confirmed
from pipeline.collection.demos import encode_grey_png
from pipeline.collection.overrides import write_overrides
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.yaml_file import read_yaml
from tests.faults import build_shim
from tests.postgres import Postgres, run_postgres
from tests.ray_cluster import Cluster, choose_cluster, start_cluster
from tests.toy_classifier import save_toy_classifier
from tests.warm import warm_commands

if TYPE_CHECKING:
    from mlflow import MlflowClient

REPO = Path(__file__).resolve().parents[1]
os.environ.setdefault(
    "MLFLOW_DISABLE_TELEMETRY", "true"
)  # as pipeline.tracking does, for tests that come first

LONGEST = (
    *("test_end_to_end.py", "test_server_story.py", "test_trainer.py", "test_kills.py", "test_faults.py"),
    *("test_docs.py", "test_leaks.py", "test_new_batch.py"),
    *("test_device.py", "test_store_story.py", "test_remotes.py", "test_hosts_story.py"),
)

ParamsOf = Callable[..., Params]
Develop = Callable[..., Paths]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that neither worker of `make test` waits for the other at the end."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONGEST)))


@pytest.fixture(autouse=True)
def own_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command in this process chose, server and experiment, ends with its test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        before = os.environ.get(name)
        monkeypatch.setenv(name, before or "")  # so that it is taken back, whether it was set or not
        if before is None:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return REPO


@pytest.fixture(scope="session")
def params_of() -> ParamsOf:
    """`params_of(split={"seed": 1})`: the repository's params with some values replaced."""

    def params_of(**sections: dict[str, Any]) -> Params:
        return Params.model_validate(values_with(**sections))

    return params_of


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The library that makes a stage's writes fail; None without a compiler for C."""
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, shim: Path | None) -> Iterator[Path]:
    """The folder of commands that fork from a process which has imported the libraries."""
    with warm_commands(tmp_path_factory.mktemp("warm"), shim) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL on 127.0.0.1; without it, what needs it is skipped."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Cluster]:
    """A Ray cluster of two raylets, of one core each, for the tests of a file."""
    with start_cluster(2) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """That cluster, chosen to work on."""
    choose_cluster(shared_cluster.address, monkeypatch)
    return shared_cluster


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    """A project with the repository's params and three class folders of ten 8x8 pictures each."""
    paths = Paths(tmp_path / "project")
    paths.root.mkdir()
    YAML().dump(values_with(), paths.params)
    for shade, name in enumerate(("circle", "line", "square")):
        for number in range(10):
            picture = paths.raw / name / f"{number}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(encode_grey_png([bytes([shade * 80 + number] * 8)] * 8))
    (paths.root / "dvc.yaml").write_text("stages: {}\n")
    paths.label_queue.parent.mkdir()
    write_overrides([], paths.overrides)
    write_confirmed([], paths.confirmed_labels)
    return paths


@pytest.fixture(scope="session")
def develop() -> Develop:
    """`develop(root, pictures, y, splits, names)`: a project as validate, clean and split leave it.

    Picture i, uint8 [h, w, c], has the id "id-<i>", class y[i] and lies in row i of shard 0.

    No fact of the files is known.
    """
    import json

    from pipeline.collection.shards import ShardWriter
    from pipeline.tables.clean_manifest import CLEAN_MANIFEST
    from pipeline.tables.parquet import build_table, write_table
    from pipeline.tables.raw_manifest import RAW_MANIFEST
    from pipeline.tables.split import SPLIT

    def develop(root: Path, pictures: Any, y: Any, splits: Any, names: list[str]) -> Paths:
        paths = Paths(root)
        with ShardWriter(paths.shards, len(pictures), pictures.shape[1:], max(len(pictures), 1)) as writer:
            for i, picture in enumerate(pictures):
                writer.write(0, i, picture)
        rows = []
        for i, (class_index, split) in enumerate(zip(y, splits, strict=True)):
            common = {"id": f"id-{i:03d}", "class_name": names[class_index], "class_index": int(class_index)}
            place = {
                "key": f"{i}.png",
                "label": names[class_index],
                "group": f"id-{i:03d}",
                "fold_group": f"id-{i:03d}",
                "duplicate_group": f"id-{i:03d}",
                "shard": 0,
                "row": i,
                "pdq": bytes(32),
                "pdq_quality": 0,
            }
            rows.append(common | place | {"source_split": "", "repairs": [], "split": split, "fold": i % 5})
        write_table(build_table(rows, CLEAN_MANIFEST, sort_by="id"), paths.clean_manifest)
        write_table(build_table(rows, SPLIT, sort_by="id"), paths.split)
        write_table(build_table(rows, RAW_MANIFEST, sort_by="key"), paths.raw_manifest)
        paths.classes.write_text(json.dumps(names), encoding="utf-8")
        paths.scales.write_text("[]", encoding="utf-8")
        return paths

    return develop


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real classifier of 8x8 grey pictures; see `tests.toy_classifier`."""
    folder = tmp_path_factory.mktemp("classifier") / "classifier"
    save_toy_classifier(folder)
    return folder


def values_with(**sections: dict[str, Any]) -> dict[str, Any]:
    """The values of the repository's params.yaml, some replaced: `split={"seed": 1}`.

    Pictures of one colour are let through: those of `project` are.
    """
    values = read_yaml(REPO / "params.yaml")
    values["validate"] |= {"min_local_contrast": 0}
    return values | {name: values[name] | changed for name, changed in sections.items()}


@pytest.fixture(scope="session")
def tracking_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root whose MLflow database exists already (making one takes seconds), safe from the caller's own."""
    from pipeline.tracking import connection

    root = tmp_path_factory.mktemp("tracking")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT", "DVC_STAGE"):
            patch.delenv(name, raising=False)
        connection.connect(root)
        yield root


@pytest.fixture
def client(tracking_root: Path) -> "MlflowClient":
    """A client of that database; a test file with a root of its own has its own."""
    from pipeline.tracking import connection

    return connection.connect(tracking_root)
