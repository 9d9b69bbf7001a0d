"""The MLflow server or database: where it is, whether it answers, and its experiments.

The experiment called after `data.name` holds one row per distinct dvc.lock state and nothing else, so every
row can be compared with every other. `<name>-stages` holds one run per execution of a stage, linked from the
rows; `<name>-search` what was tried beside the chain. `MLFLOW_EXPERIMENT_NAME` renames them. The server is
`MLFLOW_TRACKING_URI`, or mlflow/mlflow.db in the project. MLflow is imported inside functions, because the
import takes seconds.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from pipeline.errors import TrackingError, one_line
from pipeline.paths import Paths
from pipeline.tracking.server import UnusualAnswerError, ask, hide_password, is_server, probe, sign_in

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

_EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on runs, not on chat traces
_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///([^?]*)(.*)")
_SAFE = "/ #&+,;=@:!$'()*~"  # characters of a path that need no quoting in the URI of a database
_LOCK_TIMEOUT_S = 600
_QUESTION = "experiments/search?max_results=1"  # it needs a name, a password and the database
_LOCKED_OUT = {
    401: "name and password are missing, wrong or expired; set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD",
    403: "you may not do that there; ask who runs it for the role `trainers`",
}


def resolve_uri(root: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or mlflow/mlflow.db of the project; a SQLite path is made absolute.

    A path in a URI is quoted: in the folder "a?b" the database would be "a", in "a%20b" that of "a b".
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow/mlflow.db"
    if not (found := _SQLITE.fullmatch(uri)):
        return uri
    path = str(Paths(root).home / unquote(found[1]))
    quoted = quote(path, safe=_SAFE)
    # MLflow makes the folder of "sqlite:///a%3Fb/..." as it is written, and lets other names of SQLite be.
    return f"{'sqlite' if quoted == path else 'sqlite+pysqlite'}:///{quoted}{found[2]}"


def find_database(root: Path) -> Path | None:
    """The SQLite file behind the tracking URI; None for a server."""
    found = _SQLITE.fullmatch(resolve_uri(root))
    return Path(unquote(found[1])) if found else None


def use_experiment(name: str) -> None:
    """Let this process use the experiment of a collection, unless `MLFLOW_EXPERIMENT_NAME` names another."""
    os.environ.setdefault(_EXPERIMENT_VARIABLE, name)


class Experiments(NamedTuple):
    """The names of the experiments: of rows, of stage runs, and of what was tried beside the chain."""

    rows: str
    stages: str
    search: str


def name_experiments() -> Experiments:
    """The experiments that this process uses."""
    name = os.environ.get(_EXPERIMENT_VARIABLE) or "darkroom"
    return Experiments(name, f"{name}-stages", f"{name}-search")


def connect(root: Path) -> "MlflowClient":
    """A client of the tracking server or database, which exists and answers when this returns.

    A new SQLite database is created under a lock: if three processes first open one together, two crash in
    MLflow's migration.

    Raises:
        TrackingError: it cannot be reached, or refuses.
    """
    uri = resolve_uri(root)
    _probe(uri)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run, in no log
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for chatter in ("alembic", "mlflow.store.model_registry", "mlflow.pyfunc"):
        logging.getLogger(chatter).setLevel(logging.WARNING)
    for crier in ("mlflow.store.db.utils", "sqlalchemy.pool"):  # what fails is raised, too
        logging.getLogger(crier).setLevel(logging.CRITICAL)
    if (database := find_database(root)) and database.is_dir():
        raise TrackingError(f"{database} is a folder; move it away, or set MLFLOW_TRACKING_URI")
    try:
        mlflow.set_tracking_uri(sign_in(uri) if is_server(uri) else uri)
        with lock(root, "create"):
            client = mlflow.MlflowClient()
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(_explain_away(uri, error)) from None
    return client


def find_experiment(client: "MlflowClient", root: Path, name: str) -> str:
    """The id of an experiment, made on first use; beside a local database its artifacts lie in mlflow/."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        database = find_database(root)
        location = (database.parent / "artifacts" / name).as_uri() if database else None
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=_KIND))
        except MlflowException as error:  # another process may have made it since
            found = client.get_experiment_by_name(name)
            if found is None:
                raise TrackingError(f"MLflow experiment {name!r} cannot be made: {one_line(error)}") from None
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"MLflow experiment {name!r} cannot be used: it was deleted; restore it "
            "(`mlflow experiments restore`) or set MLFLOW_EXPERIMENT_NAME"
        )
    return str(found.experiment_id)


def is_missing(error: "MlflowException") -> bool:
    """Whether MLflow says, to a question, that something does not exist.

    A server with passwords says of what it cannot find that one may not read it. Nothing is risked: whoever
    may really not read something cannot make another of its name either.
    """
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED")


def is_unknown(error: "MlflowException") -> bool:
    """As `is_missing`, and where MLflow says that of an alias, or of a name that it forbids."""
    return is_missing(error) or error.error_code == "INVALID_PARAMETER_VALUE"


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what MLflow raises when it is away, refuses or cannot write into a TrackingError of one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(f"MLflow failed or refused: {one_line(error)}") from None


@contextmanager
def lock(root: Path, what: str) -> Iterator[None]:
    """Let one process at a time use a local database; a server needs no lock.

    Raises:
        TrackingError: another process holds the lock for ten minutes, or no file can be made there.
    """
    from filelock import FileLock, Timeout

    database = find_database(root)
    if database is None:
        yield
        return
    held = FileLock(database.with_name(f"{database.stem}.{what}.lock"), timeout=_LOCK_TIMEOUT_S)
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except Timeout:
        raise TrackingError(
            f"another process has held {held.lock_file} for {_LOCK_TIMEOUT_S} s; wait for it, or end it"
        ) from None
    except OSError as error:
        raise TrackingError(_explain_away(resolve_uri(root), error)) from None
    try:
        yield
    finally:
        held.release()


def _probe(uri: str) -> None:
    """Raise TrackingError unless a server is well and its API answers: MLflow itself retries for minutes."""
    if not is_server(uri):
        return
    try:
        probe(uri)
        ask(uri, _QUESTION)
    except UnusualAnswerError as error:
        if error.code in _LOCKED_OUT:  # what else it wants, MLflow finds out
            raise TrackingError(explain_refusal(uri, error)) from None
    except (OSError, ValueError) as error:
        raise TrackingError(_explain_away(uri, error)) from None


def check_health(root: Path) -> str:
    """One line that says that the server is well: it answers, lets us in, and so does its database behind it.

    MLflow's own `/health` answers while the database is away.

    Raises:
        TrackingError: it is not well, or the project has a database and no server.
    """
    uri = resolve_uri(root)
    if not is_server(uri):
        raise TrackingError("there is no server to ask; set MLFLOW_TRACKING_URI to its address")
    _probe(uri)
    try:
        ask(uri, _QUESTION)
    except UnusualAnswerError as error:
        if error.code:
            raise TrackingError(explain_refusal(uri, error)) from None
        connect(root)
    except (OSError, ValueError) as error:
        raise TrackingError(_explain_away(uri, error)) from None
    return f"MLflow at {hide_password(uri)} is well"


def explain_refusal(uri: str, error: Exception) -> str:
    """What to do where a server was asked without MLflow, and refused or is away."""
    if not isinstance(error, UnusualAnswerError):
        return _explain_away(uri, error)
    why = _LOCKED_OUT.get(error.code, "look at its log; is its database away?")
    return f"MLflow at {hide_password(uri)} answers {error}: {why}"


def _explain_away(uri: str, error: Exception) -> str:
    return (
        f"MLflow at {hide_password(uri)} cannot be used ({one_line(error)}); start the server, or correct "
        "MLFLOW_TRACKING_URI (unset: mlflow/mlflow.db of this project)"
    )
