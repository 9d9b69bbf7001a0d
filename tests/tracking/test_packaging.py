"""packaging: what a logged model is made of; that it works elsewhere is in tests/serving/test_pyfunc.py."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pipeline
from pipeline.tracking import packaging
from pipeline.tracking.connection import connect
from pipeline.tracking.packaging import log_model
from pipeline.tracking.runs import create_run
from tests.closures import close_over, list_imports

if TYPE_CHECKING:
    from mlflow import MlflowClient

PACKAGE = Path(pipeline.__file__).parent


@pytest.fixture(scope="module")
def client(tracking_root: Path) -> "MlflowClient":
    return connect(tracking_root)


@pytest.fixture(scope="module")
def run_id(client: "MlflowClient", tracking_root: Path) -> str:
    return create_run(client, tracking_root, "train", tags={}).run_id


@pytest.fixture(scope="module")
def model_uri(client: "MlflowClient", run_id: str, classifier_folder: Path) -> str:
    return log_model(client, run_id, classifier_folder).uri


@pytest.fixture(scope="module")
def logged(model_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the logged model."""
    import mlflow

    into = tmp_path_factory.mktemp("logged")
    return Path(mlflow.artifacts.download_artifacts(model_uri, dst_path=str(into)))


def list_code(folder: Path) -> dict[str, bytes]:
    """The source files below a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.py")}


def test_it_belongs_to_its_run(client: "MlflowClient", run_id: str, model_uri: str) -> None:
    logged = client.search_logged_models(experiment_ids=[client.get_run(run_id).info.experiment_id])
    (model,) = (one for one in logged if one.source_run_id == run_id)
    assert (model.model_uri, model.name, model.status) == (model_uri, "classifier", "READY")
    assert client.get_run(run_id).info.status == "RUNNING", "the run's own process finishes it"


def test_answers_lie_with_the_model_where_there_are_any(
    client: "MlflowClient", run_id: str, classifier_folder: Path, tmp_path: Path
) -> None:
    import mlflow

    exam = tmp_path / packaging.EXAM
    exam.mkdir()
    (exam / "predictions.parquet").write_bytes(b"answers")
    model = log_model(client, run_id, classifier_folder, exam=exam)
    folder = f"{client.get_logged_model(model.id).artifact_location}/artifacts/{packaging.EXAM}"
    assert [Path(one.path).name for one in mlflow.artifacts.list_artifacts(folder)] == ["predictions.parquet"]


def test_the_package_travels_with_it(logged: Path) -> None:
    assert list_code(logged / "code" / "pipeline") == list_code(PACKAGE)
    assert (logged / "pyfunc.py").read_bytes() == (PACKAGE / "serving" / "pyfunc.py").read_bytes()


def test_the_classifier_is_in_it_as_it_was(logged: Path, classifier_folder: Path) -> None:
    (folder,) = (path for path in (logged / "artifacts").iterdir() if path.is_dir())
    for path in classifier_folder.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()


def test_requirements_are_the_installed_versions(logged: Path) -> None:
    """Whatever the package imports to answer a picture is among them, and Keras' backend."""
    lines = (logged / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = dict(line.split("==") for line in lines)
    assert required == {name: version(name) for name in required}
    assert {"mlflow", "keras", "tensorflow", "numpy", "pandas", "pillow"} <= set(required)


def test_requirements_are_what_the_served_code_imports() -> None:
    """All of it and no more.

    `pdqhash` takes fingerprints, which only clean asks for; `jax` is imported only where Keras runs on it.
    """
    files = close_over(PACKAGE / "serving" / "pyfunc.py")
    imported = {module.partition(".")[0] for file in files for module in list_imports(file)}
    third_party = imported - set(sys.stdlib_module_names) - {"pipeline", "pdqhash", "jax"}
    required = {line.partition("==")[0] for line in packaging._list_requirements()}
    assert {"pillow" if name == "PIL" else name for name in third_party} | {"tensorflow"} == required


def test_the_registry_shows_how_to_ask_and_what_is_answered(logged: Path, classifier_folder: Path) -> None:
    """The example is a picture that the model answers; no schema of the input refuses lists or paths."""
    import mlflow

    from pipeline.serving.pyfunc import ImageClassifier

    meta = mlflow.models.Model.load(logged)
    assert meta.signature.inputs is None
    assert [column.name for column in meta.signature.outputs.inputs] == [
        "answer",
        "class",
        "probability",
        "reason",
    ]
    model: Any = ImageClassifier()
    model.load(classifier_folder)
    answer = model.predict(None, meta.load_input_example(str(logged)))
    assert answer["reason"].tolist() == [None]
