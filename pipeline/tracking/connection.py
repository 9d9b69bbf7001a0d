"""MLflow runs: one a stage, live, and one row a dvc.lock state.

Two experiments: `darkroom` holds one row per distinct dvc.lock state and nothing else, so that every row
compares with every other; `darkroom-stages` holds a run per stage execution, linked from the rows.
The server is `MLFLOW_TRACKING_URI`, or mlflow/mlflow.db in the project; `MLFLOW_EXPERIMENT_NAME` renames
the pair. MLflow is imported inside functions: it costs seconds, and an up-to-date `dvc repro` needs none.
"""

import json
import logging
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import TrackingError, one_line
from pipeline.paths import Paths
from pipeline.tracking.runs import Run, Tracked, Untracked

if TYPE_CHECKING:
    from mlflow import MlflowClient

_log = logging.getLogger(__name__)

DECISION_TAG = "promote.decision"
STAGE_TAG = "dvc.stage"
ENTRY_TAG = "dvc.lock_entry"
STATE_TAG = "dvc.lock_state"
OWNER_TAG = "pipeline.run_id"
PARENT_TAG = "mlflow.parentRunId"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on runs, not on chat traces
_PROBE_TIMEOUT_S = 5
_LOCK_TIMEOUT_S = 600
_RECORDED = """
    SELECT decision.value FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id AND experiments.name = ?
    JOIN tags AS state ON state.run_uuid = runs.run_uuid AND state.key = ? AND state.value = ?
    JOIN tags AS decision ON decision.run_uuid = runs.run_uuid AND decision.key = ?
    WHERE runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active'
"""


def tracking_uri(root: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or mlflow/mlflow.db of the project; a SQLite path always made absolute."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow/mlflow.db"
    if uri.startswith("sqlite:///"):
        return f"sqlite:///{Paths(root).home / uri.removeprefix('sqlite:///')}"
    return uri


def database_file(root: Path) -> Path | None:
    """The SQLite file behind the tracking URI; None for a server."""
    uri = tracking_uri(root)
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def experiment_names() -> tuple[str, str]:
    """The experiment of rows, and that of stage runs."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "darkroom"
    return name, f"{name}-stages"


def connect(root: Path) -> "MlflowClient":
    """A client of the tracking server or database, which exists and answers when this returns.

    A fresh SQLite database is created under a lock: of three processes that first touch one
    together, two crash in MLflow's migration.

    Raises:
        TrackingError: it cannot be reached, or refuses.
    """
    uri = tracking_uri(root)
    _probe(uri)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for chatter in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatter).setLevel(logging.WARNING)
    try:
        mlflow.set_tracking_uri(uri)
        with _lock(root, "create"):
            client = mlflow.MlflowClient()
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(_away(uri, error)) from None
    return client


def experiment_id(client: "MlflowClient", root: Path, name: str) -> str:
    """The id of an experiment, made on first use; beside a local database its artifacts lie in mlflow/."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        database = database_file(root)
        location = (database.parent / "artifacts" / name).as_uri() if database else None
        with suppress(MlflowException):  # another process may have made it since
            return str(client.create_experiment(name, artifact_location=location, tags=_KIND))
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise TrackingError(
            f"MLflow experiment {name!r} cannot be used: it was deleted; restore it "
            "(`mlflow experiments restore`) or set MLFLOW_EXPERIMENT_NAME"
        )
    return str(found.experiment_id)


def create_run(
    client: "MlflowClient", root: Path, name: str, *, row: bool = False, tags: Mapping[str, str]
) -> Tracked:
    """Open a run in the experiment of rows (`row`) or of stage runs, with where it came from as tags."""
    experiment = experiment_id(client, root, experiment_names()[0 if row else 1])
    made = client.create_run(experiment, run_name=name, tags=_provenance(root) | dict(tags))
    return Tracked(client, made.info.run_id, is_strict=row)


@contextmanager
def stage_run(root: Path, stage: str, params: Mapping[str, Any], *, required: bool) -> Iterator[Run]:
    """The run of one stage: FINISHED on a clean exit, FAILED on an exception, KILLED on Ctrl+C.

    With `required=False` a server that is away is a warning, and the stage goes on untracked.

    Raises:
        TrackingError: the server is away and `required`.
    """
    try:
        run = create_run(connect(root), root, stage, tags={STAGE_TAG: stage})
    except TrackingError as error:
        if required:
            raise
        _log.warning("%s; %s goes on untracked, and promote will rebuild its run", error, stage)
        yield Untracked()
        return
    run.log_params(params)
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        run.finish(status)


def find_runs(client: "MlflowClient", *, row: bool, tag: str, value: str) -> list[Any]:
    """The active runs that carry a tag, newest first; [] also where the experiment does not exist yet."""
    experiment = client.get_experiment_by_name(experiment_names()[0 if row else 1])
    if experiment is None:
        return []
    found = client.search_runs(
        [experiment.experiment_id], f"tags.`{tag}` = '{value}'", order_by=["attributes.start_time DESC"]
    )
    return list(found)


@contextmanager
def new_row(client: "MlflowClient", root: Path, name: str, state: str) -> Iterator[Tracked]:
    """The one row of a dvc.lock state: whole and FINISHED on a clean exit, gone on an exception.

    Left-overs of a try that was killed are removed first. On a local database one process at a time
    completes a row, since the row also decides who is champion.

    Raises:
        TrackingError: MLflow is away or refuses.
    """
    with answering(), _lock(root, "promote"):
        for stale in find_runs(client, row=True, tag=STATE_TAG, value=state):
            client.delete_run(stale.info.run_id)
        row = create_run(client, root, name, row=True, tags={STATE_TAG: state, STAGE_TAG: "pipeline"})
        try:
            yield row
        except BaseException:
            with suppress(Exception):  # the first error is the one to hear about
                client.delete_run(row.run_id)
            raise
        row.finish("FINISHED")


@contextmanager
def answering() -> Iterator[None]:
    """Turn what MLflow raises when it is away or refuses into a TrackingError of one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise TrackingError(f"MLflow does not do as asked: {one_line(error)}") from None


def recorded_decision(root: Path, state: str) -> dict[str, Any] | None:
    """The decision in the finished row of a state; None where there is no such row.

    On a local database this asks SQLite itself: importing MLflow would take most of the time of a
    `dvc repro` that has nothing to do. Whatever is unusual there is left to MLflow.

    Raises:
        TrackingError: the server is away.
    """
    database = database_file(root)
    if database is not None:
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db,
        ):
            values = db.execute(_RECORDED, (experiment_names()[0], STATE_TAG, state, DECISION_TAG)).fetchone()
            return dict(json.loads(values[0])) if values else None
    client = connect(root)
    with answering():
        rows = find_runs(client, row=True, tag=STATE_TAG, value=state)
    decisions = [r.data.tags.get(DECISION_TAG) for r in rows if r.info.status == "FINISHED"]
    return dict(json.loads(decisions[0])) if decisions and decisions[0] else None


@contextmanager
def _lock(root: Path, what: str) -> Iterator[None]:
    """One process at a time, beside a local database; a server sees to itself."""
    from filelock import FileLock

    database = database_file(root)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(database.with_name(f"{database.stem}.{what}.lock"), timeout=_LOCK_TIMEOUT_S):
        yield


def _probe(uri: str) -> None:
    """Ask a server for its health once, fast: MLflow itself retries for minutes."""
    import urllib.error
    import urllib.request

    if not uri.startswith(("http://", "https://")):
        return
    address = re.sub(r"//[^/@]*@", "//", uri).rstrip("/")
    try:
        urllib.request.urlopen(f"{address}/health", timeout=_PROBE_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # it answers; whether it accepts us, MLflow finds out
    except (OSError, ValueError) as error:
        raise TrackingError(_away(uri, error)) from None


def _away(uri: str, error: Exception) -> str:
    shown = re.sub(r"//[^/@]*@", "//***@", uri)  # a password does not belong in a log
    return (
        f"MLflow at {shown} cannot be used ({one_line(error)}); start the server, or correct "
        "MLFLOW_TRACKING_URI (unset: mlflow/mlflow.db of this project)"
    )


def _provenance(root: Path) -> dict[str, str]:
    """Where a run came from: git commit, whether code or params differ from it, the DVC experiment."""
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock", ":!data")
    tags = {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "LOCAL"}
    if commit:
        tags |= {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changed)).lower()}
    if os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
    return tags


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()
