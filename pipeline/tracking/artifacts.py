"""Artifacts of MLflow on this machine: where they lie, or a copy of them in the project's cache."""

import logging
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import TrackingError, one_line
from pipeline.json_file import load_json
from pipeline.paths import Paths
from pipeline.storage import hold_lock, sync_folder, translate_errors
from pipeline.tracking.connection import connect

_ANSWERS = ("evaluate/predictions.parquet", "split/classes.json")  # of a row

_log = logging.getLogger(__name__)


def find_local(place: str) -> Path | None:
    """The path of artifacts on this machine; None if they are on a server."""
    parts = urlsplit(place)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    return Path(unquote(parts.path) if parts.scheme else place)


def download_folder(root: Path, place: str, folder: Path) -> None:
    """Bring a folder of artifacts here; `folder` appears whole. A lock beside it is held by the caller.

    Raises:
        TrackingError: it cannot be fetched.
    """
    part = folder.with_suffix(".part")
    _begin(part)
    connect(root)
    _complete(part, _fetch(place, part), folder)


def fetch_answers(root: Path, row: Any) -> tuple[Path, Path] | None:
    """predictions.parquet and classes.json of a row; None if they cannot be had.

    From a server they are fetched once, into the project's cache: the artifacts of a row never change.

    Args:
        row: an `mlflow.entities.Run` of a client that `connect` made.
    """
    if (local := find_local(row.info.artifact_uri)) is not None:
        predictions, classes = (local / name for name in _ANSWERS)
        return (predictions, classes) if predictions.is_file() and classes.is_file() else None
    folder = Paths(root).cache / "answers" / re.sub(r"\W", "_", row.info.run_id)
    with hold_lock(folder.with_suffix(".lock"), lambda: _log.info("another process fetches answers")):
        if not folder.is_dir():
            part = folder.with_suffix(".part")
            _begin(part)
            try:
                for name in _ANSWERS:
                    _fetch(f"{row.info.artifact_uri.rstrip('/')}/{name}", part)
            except TrackingError as error:
                _log.info("%s", error)
                return None
            _complete(part, part, folder)
    predictions, classes = (folder / Path(name).name for name in _ANSWERS)
    return predictions, classes


def fetch_json(root: Path, place: str) -> Any:
    """The JSON of a small artifact; from a server it is fetched each time.

    Raises:
        TrackingError: it cannot be fetched.
        OSError, ValueError: it cannot be read, or is none.
    """
    import tempfile

    if (local := find_local(place)) is not None:
        return load_json(local)
    connect(root)
    with tempfile.TemporaryDirectory() as folder:
        return load_json(_fetch(place, Path(folder)))


def _begin(part: Path) -> None:
    with translate_errors(part):
        shutil.rmtree(part, ignore_errors=True)  # a killed process left it
        part.mkdir(parents=True)


def _fetch(place: str, into: Path) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(artifact_uri=place, dst_path=str(into)))
    except (MlflowException, OSError) as error:
        raise TrackingError(f"{place} cannot be fetched: {one_line(error)}") from None


def _complete(part: Path, found: Path, folder: Path) -> None:
    with translate_errors(folder):
        found.rename(folder)
        sync_folder(folder.parent)
        shutil.rmtree(part, ignore_errors=True)
