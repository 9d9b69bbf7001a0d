"""A run of MLflow by its id: its tags, and where its artifacts lie.

MLflow is not imported where the project's own database, or a server that answers plainly, can say it.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from pipeline.errors import TrackingError, one_line
from pipeline.tracking.connection import connect, find_database, is_unknown, resolve_uri
from pipeline.tracking.server import UnusualAnswerError, ask, hide_password, is_server

_PLACE = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"
_TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"


class FoundRun(NamedTuple):
    """A run: its tags, and the URI of its artifacts."""

    tags: Mapping[str, str]
    place: str


def find_run(root: Path, run_id: str) -> FoundRun | None:
    """The run with an id; None if there is none.

    Raises:
        TrackingError: MLflow cannot be reached, or refuses.
    """
    with suppress(sqlite3.Error, UnusualAnswerError, OSError, LookupError, TypeError):
        if database := find_database(root):
            return _ask_database(database, run_id) if database.exists() else None
        if is_server(uri := resolve_uri(root)):
            run = ask(uri, f"runs/get?run_id={quote(run_id, safe='')}")["run"]
            tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
            return FoundRun(tags, str(run["info"]["artifact_uri"]))
    client: Any = connect(root)
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run_id)
    except MlflowException as error:
        if is_unknown(error):
            return None
        raise TrackingError(
            f"MLflow at {hide_password(resolve_uri(root))} cannot name the run {run_id}: {one_line(error)}"
        ) from None
    return FoundRun(found.data.tags, str(found.info.artifact_uri))


def _ask_database(database: Path, run_id: str) -> FoundRun | None:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        place = db.execute(_PLACE, (run_id,)).fetchone()
        return FoundRun(dict(db.execute(_TAGS, (run_id,)).fetchall()), str(place[0])) if place else None
