"""A classifier folder as an MLflow model, with the package inside it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.storage import hash_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MODEL_NAME = "classifier"  # of the logged model
EXAM = "exam"  # the artifact that holds the answers to the test pictures
# An encoded picture as the server takes it, 8 x 8 pixels: the registry shows how to ask.
_EXAMPLE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAU0lEQVR4AQFIALf/AAD/AP8A/wD/AAD/AP8A/wD/AAD/AP8A/wD/AAD/"
    "AP8A/wD/AAD/AP8A/wD/AAD/AP8A/wD/AAD/AP8A/wD/AAD/AP8A/wD/bBQf4SY+pSIAAAAASUVORK5CYII="
)
EXAM_FILES = ("predictions.parquet", "classes.json")
# In the exam, too: the pictures that the model learned from, and its answers on sources that were left out.
LEARNT_FILE, NEW_SOURCES_FILE = "learnt.parquet", "new_sources.parquet"


class LoggedModel(NamedTuple):
    """A model in MLflow.

    Attributes:
        uri: under which it is registered.
        md5: DVC's, of its classifier folder.
        seal: the sha256 of the file that holds the hashes of that folder's files; "" where it has none.
        model_seal: the same of all of the model, so of the package, too.
        exam: the sha256 of each file of the answers to test pictures, as JSON.
    """

    id: str
    uri: str
    md5: str = ""
    seal: str = ""
    model_seal: str = ""
    exam: str = ""


def log_model(
    client: "MlflowClient",
    run_id: str,
    folder: Path,
    *,
    md5: str = "",
    seal: str = "",
    seal_model: Callable[[Path], str] = lambda _: "",
    exam: Path | None = None,
) -> LoggedModel:
    """Log a classifier folder under a run as a pyfunc that takes encoded pictures.

    The package itself travels with the model (`code_paths`), so decoding and resizing are what they were in
    training. Requirements are the installed versions; inferring them would take 20 s.

    Args:
        md5: DVC's md5 of the folder, where it is known.
        seal: the hash of its seal, where it has one.
        seal_model: seals the folder of the whole model, and gives the hash of that seal.
        exam: a folder of this name with the answers to the test pictures, which then last like the model.
    """
    from mlflow.models import Model

    package = Path(__file__).parents[1]
    artifacts = {MODEL_NAME: folder} | ({EXAM: exam} if exam else {})
    run = client.get_run(run_id)
    made = client.create_logged_model(run.info.experiment_id, MODEL_NAME, run_id, params=run.data.params)
    # Not `pyfunc.log_model`: it needs an active run, and `start_run(run_id)` finishes the run when it ends.
    seals: list[str] = []
    info: Any = Model.log(
        artifact_path=None,
        model_id=made.model_id,
        flavor=_make_flavor(seal_model, seals),
        run_id=run_id,
        python_model=str(package / "serving" / "pyfunc.py"),
        artifacts={name: str(path) for name, path in artifacts.items()},
        code_paths=[str(package)],
        pip_requirements=_list_requirements(),
        signature=_describe_answers(),
        input_example={"image": [_EXAMPLE]},
        validate_serving_input=False,
    )
    answers = hash_exam(exam) if exam else ""
    return LoggedModel(str(info.model_id), str(info.model_uri), md5, seal, model_seal=seals[0], exam=answers)


def hash_exam(folder: Path) -> str:
    """The sha256 of each file of a folder, by name, as JSON."""
    return json.dumps({path.name: hash_file(path) for path in sorted(folder.iterdir())})


def _make_flavor(seal_model: Callable[[Path], str], seals: list[str]) -> type:
    """MLflow's pyfunc, without asking the example of the model: that imports Keras and takes 15 s.

    MLflow knows `validate_serving_input`, and hands it on to a function that does not.

    Args:
        seals: takes what `seal_model` gives for the folder, before MLflow takes it.
    """

    class Unasked:
        @staticmethod
        def save_model(**given: Any) -> None:
            """Write the model's folder; `given` is what Model.log was given."""
            from mlflow import pyfunc

            del given["validate_serving_input"]
            pyfunc.save_model(**given)
            seals.append(seal_model(Path(given["path"])))

    return Unasked


def _describe_answers() -> "ModelSignature":
    """What an answer holds beside a column per class.

    There is no schema of the input: MLflow would then refuse lists, arrays and paths.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = (("string", "answer"), ("string", "class"), ("double", "probability"), ("string", "reason"))
    return ModelSignature(outputs=Schema([ColSpec(kind, name) for kind, name in columns]))


def _list_requirements() -> list[str]:
    """What the served model imports, at the versions it was made with."""
    from importlib.metadata import version

    names = ("mlflow", "keras", "tensorflow", "h5py", "numpy", "pandas", "pillow")
    return [f"{name}=={version(name)}" for name in names]
