"""A server for a team: MLflow's own, on PostgreSQL, with proxied artifacts and MLflow's basic authentication.

`prepare_server` looks at all that would stop it, and says what it runs with. Passwords travel in the
environment and in files that only their owner may read, never in arguments: every user of a machine sees
those.
"""

import os
import re
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import TrackingError, one_line
from pipeline.paths import Paths
from pipeline.storage import make_folder, translate_errors, write_whole
from pipeline.tracking.server import hide_password

APP = "basic-auth"  # MLflow's name of its authentication
MIN_PASSWORD = 12  # characters; MLflow takes no shorter one
_DATABASE, _ADMIN_PASSWORD = "MLFLOW_BACKEND_STORE_URI", "MLFLOW_AUTH_ADMIN_PASSWORD"
_KEY, _ARTIFACTS = "MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_ARTIFACTS_DESTINATION"
_PLAIN = re.compile(r"postgres(ql)?://")
_CONNECT_S = 5
_AUTH = """\
[mlflow]
default_permission = READ
database_uri = {uri}
admin_username = {admin}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""  # without a cache, each request costs tens of milliseconds for the hash of a password


def prepare_server(root: Path) -> dict[str, str]:
    """The environment in which `mlflow server --app-name basic-auth` is the server of a team.

    It is made of this process's: `mlflow/server.env` lists what counts.

    Raises:
        TrackingError: a package is missing, the database is none of PostgreSQL's or does not answer, or there
            is no administrator yet and no password for one.
        StorageError: a file of its settings cannot be written.
    """
    uri = name_database()
    _check_packages(uri)
    _check_database(uri)
    home = Paths(root).home
    folder = home / ".darkroom" / "server"
    admin = os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME") or "admin"
    settings = folder / "basic_auth.ini"
    _write_secret(settings, _AUTH.format(uri=uri.replace("%", "%%"), admin=admin))
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")}
    return variables | {
        _DATABASE: uri,
        _ARTIFACTS: os.environ.get(_ARTIFACTS) or str(home / "mlflow" / "server-artifacts"),
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        _KEY: os.environ.get(_KEY) or _read_key(folder / "secret_key"),
    }


def name_database() -> str:
    """The URI of the database, with the driver that Darkroom brings where none is named.

    Raises:
        TrackingError: none is set, or it is none of PostgreSQL's.
    """
    uri = os.environ.get(_DATABASE, "")
    if _PLAIN.match(uri):
        return _PLAIN.sub("postgresql+pg8000://", uri, count=1)
    if not uri.startswith("postgresql+"):
        given = f"it is {hide_password(uri)}" if uri else "it is not set"
        raise TrackingError(
            f"{_DATABASE} must name a database of PostgreSQL, and {given}; for example "
            "postgresql://darkroom:PASSWORD@127.0.0.1/darkroom in mlflow/server.secret.env (for a "
            "database of your own: `darkroom ui`)"
        )
    return uri


def _check_packages(uri: str) -> None:
    needed = ("flask_wtf", *(("pg8000",) if "+pg8000:" in uri else ()))
    if missing := [name for name in needed if find_spec(name) is None]:
        raise TrackingError(
            f"a server needs the package {' and '.join(missing)}; run `make install`, or "
            "`pip install -e '.[server]'`"
        )


def _check_database(uri: str) -> None:
    """Raise TrackingError unless the database answers, and has an administrator or may get one."""
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import SQLAlchemyError

    timeout = {"timeout": _CONNECT_S} if "+pg8000:" in uri else {}
    try:
        engine = create_engine(uri, connect_args=timeout)
        with engine.connect() as connection:
            has_users = inspect(connection).has_table("users")
            found = has_users and connection.execute(text("SELECT 1 FROM users WHERE is_admin")).first()
        engine.dispose()
    except (SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(
            f"PostgreSQL at {hide_password(uri)} cannot be used ({_explain(error)}); start it, or correct "
            f"{_DATABASE}"
        ) from None
    if not found and len(os.environ.get(_ADMIN_PASSWORD, "")) < MIN_PASSWORD:
        raise TrackingError(
            f"the server has no administrator yet; set {_ADMIN_PASSWORD} for its first start, at least "
            f"{MIN_PASSWORD} characters, in mlflow/server.secret.env"
        )


def _explain(error: Exception) -> str:
    """What PostgreSQL itself said, where it said something: pg8000 hands on all fields of its answer."""
    arguments: Any = getattr(getattr(error, "orig", None), "args", ())
    if arguments and isinstance(arguments[0], dict) and "M" in arguments[0]:
        return one_line(ValueError(arguments[0]["M"]))
    return one_line(error)


def _read_key(path: Path) -> str:
    """The key that signs forms, made on first use and kept for the next start."""
    if not path.is_file():
        _write_secret(path, secrets.token_hex(32))
    with translate_errors(path):
        return path.read_text(encoding="ascii")


def _write_secret(path: Path, content: str) -> None:
    make_folder(path.parent)
    with write_whole(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(content, encoding="utf-8")
