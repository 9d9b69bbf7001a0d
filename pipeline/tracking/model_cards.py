"""The model card of a version in the registry, which the run of its evaluation holds."""

import logging
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import TrackingError, one_line
from pipeline.tracking.artifacts import fetch_json
from pipeline.tracking.connection import connect, find_database, resolve_uri
from pipeline.tracking.server import UnusualAnswerError, ask, is_server
from pipeline.tracking.stored_models import StoredModel

_CARD = "model_card.json"
_PLACE = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"

_log = logging.getLogger(__name__)


def read_card(root: Path, model: StoredModel) -> dict[str, Any] | None:
    """The card as plain values; None if it cannot be had, which is logged."""
    if not model.evaluation:
        return None
    try:
        return dict(fetch_json(root, f"{_locate(root, model.evaluation).rstrip('/')}/{_CARD}"))
    except (TrackingError, OSError, ValueError, TypeError) as error:
        _log.info("there is no model card of %s version %d: %s", model.name, model.number, one_line(error))
        return None


def _locate(root: Path, run_id: str) -> str:
    """Where the artifacts of a run lie. Raises TrackingError if nobody can say."""
    with suppress(sqlite3.Error, UnusualAnswerError, OSError, LookupError, TypeError):
        if database := find_database(root):
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
                return str(db.execute(_PLACE, (run_id,)).fetchone()[0])
        if is_server(uri := resolve_uri(root)):
            return str(ask(uri, f"runs/get?run_id={run_id}")["run"]["info"]["artifact_uri"])
    client: Any = connect(root)
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_run(run_id).info.artifact_uri)
    except MlflowException as error:
        raise TrackingError(f"the run {run_id} cannot be found: {one_line(error)}") from None
