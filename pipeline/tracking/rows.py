"""One row in MLflow per distinct dvc.lock state: whole, or absent."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.tracking.connection import connect, find_database, lock, name_experiments, translate_errors
from pipeline.tracking.runs import STAGE_TAG, Tracked, create_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

DECISION_TAG = "promote.decision"
STATE_TAG = "dvc.lock_state"
OWNER_TAG = "pipeline.run_id"
PARENT_TAG = "mlflow.parentRunId"
_RECORDED = """
    SELECT decision.value FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id AND experiments.name = ?
    JOIN tags AS state ON state.run_uuid = runs.run_uuid AND state.key = ? AND state.value = ?
    JOIN tags AS decision ON decision.run_uuid = runs.run_uuid AND decision.key = ?
    WHERE runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active'
"""


def find_runs(client: "MlflowClient", *, row: bool, tag: str, value: str) -> list[Any]:
    """The active runs that carry a tag, newest first; [] also where the experiment does not exist yet."""
    experiment = client.get_experiment_by_name(name_experiments()[0 if row else 1])
    if experiment is None:
        return []
    found = client.search_runs(
        [experiment.experiment_id], f"tags.`{tag}` = '{value}'", order_by=["attributes.start_time DESC"]
    )
    return list(found)


@contextmanager
def open_row(client: "MlflowClient", root: Path, name: str, state: str) -> Iterator[Tracked]:
    """The one row of a dvc.lock state: whole and FINISHED on a clean exit, removed on an exception.

    What a killed try left is removed first. On a local database one process at a time completes a row, since
    the row also decides who is champion.

    Raises:
        TrackingError: MLflow is unreachable or refuses.
    """
    with translate_errors(), lock(root, "promote"):
        for stale in find_runs(client, row=True, tag=STATE_TAG, value=state):
            client.delete_run(stale.info.run_id)
        row = create_run(client, root, name, row=True, tags={STATE_TAG: state, STAGE_TAG: "pipeline"})
        try:
            yield row
        except BaseException:
            with suppress(Exception):  # the first error is the one to report
                client.delete_run(row.run_id)
            raise
        row.finish("FINISHED")


def read_decision(root: Path, state: str) -> dict[str, Any] | None:
    """The decision in the finished row of a state; None if there is no such row.

    On a local database this asks SQLite itself: importing MLflow would take most of the time of a `dvc repro`
    that has nothing to do. Anything unusual there is left to MLflow.

    Raises:
        TrackingError: the server is unreachable.
    """
    database = find_database(root)
    if database is not None:
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db,
        ):
            values = db.execute(_RECORDED, (name_experiments()[0], STATE_TAG, state, DECISION_TAG)).fetchone()
            return dict(json.loads(values[0])) if values else None
    client = connect(root)
    with translate_errors():
        rows = find_runs(client, row=True, tag=STATE_TAG, value=state)
    decisions = [r.data.tags.get(DECISION_TAG) for r in rows if r.info.status == "FINISHED"]
    return dict(json.loads(decisions[0])) if decisions and decisions[0] else None
