"""The registered model of a row, by the id of its run: as the row's decision names it.

MLflow is not imported where the project's own database, or a server that answers plainly, can say it.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import TrackingError, one_line
from pipeline.tracking.connection import connect, find_database, resolve_uri
from pipeline.tracking.decisions import parse_decision
from pipeline.tracking.server import UnusualAnswerError, ask, hide_password, is_server
from pipeline.tracking.stored_models import Address

_TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"


def find_model_of_row(root: Path, run_id: str) -> Address | None:
    """The version that a row's decision is about; None if there is no such row, or it has no decision.

    Raises:
        TrackingError: the registry cannot be reached, or refuses.
    """
    decision = parse_decision(_read_tags(root, run_id)) or {}
    if "model_name" not in decision or "version" not in decision:
        return None
    return Address(str(decision["model_name"]), number=int(decision["version"]))


def _read_tags(root: Path, run_id: str) -> Mapping[str, str]:
    with suppress(sqlite3.Error, UnusualAnswerError, OSError, LookupError, TypeError):
        if database := find_database(root):
            if not database.exists():
                return {}
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
                return dict(db.execute(_TAGS, (run_id,)).fetchall())
        if is_server(uri := resolve_uri(root)):
            data = ask(uri, f"runs/get?run_id={quote(run_id, safe='')}")["run"]["data"]
            return {tag["key"]: tag["value"] for tag in data.get("tags", [])}
    client: Any = connect(root)
    from mlflow.exceptions import MlflowException

    try:
        tags: Mapping[str, str] = client.get_run(run_id).data.tags
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return {}
        raise TrackingError(
            f"MLflow at {hide_password(resolve_uri(root))} cannot name the row {run_id}: {one_line(error)}"
        ) from None
    return tags
