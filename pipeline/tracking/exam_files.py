"""The test answers of a registered version, and what lies beside them: as they were registered."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PromotionError
from pipeline.storage import hash_file
from pipeline.tracking.packaging import EXAM, EXAM_FILES
from pipeline.tracking.registry import CHAMPION, Version, suppress_missing

if TYPE_CHECKING:
    from mlflow import MlflowClient


def fetch_exam(client: "MlflowClient", version: Version, into: Path) -> tuple[Path, Path] | None:
    """Download predictions.parquet and classes.json of a version; None if they are gone.

    They lie with the logged model, and in its row: one of the two suffices.
    """
    from mlflow.artifacts import download_artifacts, list_artifacts

    def locate_with_model() -> tuple[str, str]:
        location = _locate_exam(client, version)
        return location, location

    def locate_in_row() -> tuple[str, str]:
        location = client.get_run(version.run_id).info.artifact_uri
        return f"{location}/evaluate", f"{location}/split"

    for locate in (locate_with_model, locate_in_row):
        held: set[str] = set()
        with suppress_missing():
            folders = locate()
            held = {Path(one.path).name for folder in folders for one in list_artifacts(folder)}
        if held.issuperset(EXAM_FILES):
            predictions, classes = (
                _check_exam(version, download_artifacts(artifact_uri=f"{folder}/{name}", dst_path=str(into)))
                for folder, name in zip(folders, EXAM_FILES, strict=True)
            )
            return predictions, classes
    return None


def fetch_beside_exam(client: "MlflowClient", version: Version, name: str, into: Path) -> Path | None:
    """Download a file that lies beside a version's test answers; None if there is none.

    Args:
        name: LEARNT_FILE or NEW_SOURCES_FILE of `packaging.py`; an older Darkroom wrote neither.
    """
    from mlflow.artifacts import download_artifacts, list_artifacts

    with suppress_missing():
        folder = _locate_exam(client, version)
        if name in {Path(one.path).name for one in list_artifacts(folder)}:
            downloaded = download_artifacts(artifact_uri=f"{folder}/{name}", dst_path=str(into))
            return _check_exam(version, downloaded)
    return None


def _check_exam(version: Version, file: str) -> Path:
    """A file of a version's test answers. Raises PromotionError if it is not what was registered."""
    path = Path(file)
    if version.exam and json.loads(version.exam).get(path.name) != hash_file(path):
        raise PromotionError(
            f"the test answers of version {version.number} were changed in MLflow since it was registered "
            f"({path.name}), so nothing is compared with them; restore the file, or remove the alias "
            f"{CHAMPION!r} to start over"
        )
    return path


def _locate_exam(client: "MlflowClient", version: Version) -> str:
    return f"{client.get_logged_model(version.model_id).artifact_location}/artifacts/{EXAM}"
