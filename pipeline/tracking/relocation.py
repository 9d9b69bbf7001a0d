"""A project that was moved, renamed or copied: MLflow's database names its artifacts by absolute paths.

The project's own database lies beside them, in `mlflow/`. So what it says of another place can be mended. A
database elsewhere (`MLFLOW_TRACKING_URI`) is left alone: others may reach it by other paths.
"""

import logging
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

from pipeline.paths import Paths
from pipeline.tracking.connection import find_database, lock

# Every column that holds the place of an artifact.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
_FOLDER = "artifacts"

_log = logging.getLogger(__name__)


def repair_locations(root: Path) -> bool:
    """Let the project's own database name its artifacts where they lie now; whether anything was mended.

    It takes some milliseconds where there is nothing to mend. What MLflow has not made yet is left to it.
    """
    database = Paths(root).home / "mlflow" / "mlflow.db"
    if find_database(root) != database or not database.is_file():
        return False
    here = (database.parent / _FOLDER).as_uri()
    if not _find_elsewhere(database, here):
        return False
    with lock(root, "create"):
        places = _find_elsewhere(database, here)  # another process may have mended it since
        if places:
            _rewrite(database, places, here)
            _log.info("the project lies elsewhere now: MLflow's records name its artifacts in %s", here)
    return bool(places)


def _find_elsewhere(database: Path, here: str) -> set[str]:
    """Folders of artifacts that the database names, of experiments whose artifacts lie beside it."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT name, artifact_location FROM experiments").fetchall()
        ours = [
            str(location).rpartition("/") for name, location in found if _is_ours(database, name, location)
        ]
        return {place for place, _, _ in ours if place != here}
    return set()


def _is_ours(database: Path, name: str, location: str) -> bool:
    """Whether `find_experiment` made an experiment, and its artifacts lie beside the database."""
    place, _, folder = str(location).rpartition("/")
    is_alike = place.startswith("file:") and place.endswith(f"/mlflow/{_FOLDER}")
    return is_alike and unquote(folder) == name and (database.parent / _FOLDER / name).is_dir()


def _rewrite(database: Path, places: set[str], here: str) -> None:
    """Put the new folder in place of the old ones, in all tables or in none."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as db, db:
        for place in places:
            for table, column in _COLUMNS:
                n = len(place) + 1
                changed = f"SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"
                db.execute(f"UPDATE {table} {changed}", (here, n, n, f"{place}/"))
