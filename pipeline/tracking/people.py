"""Who may do what on a server with MLflow's basic authentication.

Everybody who has a name there may read. Who has the role `trainers` may run the chain against it, too: make
experiments, runs and versions, move the champion, and remove what a promotion takes back.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import TrackingError
from pipeline.tracking.connection import explain_refusal, resolve_uri
from pipeline.tracking.server import UnusualAnswerError, ask, is_server
from pipeline.tracking.team_server import MIN_PASSWORD

TRAINERS = "trainers"
_MAY_CHANGE = ("experiment", "registered_model")
_WORKSPACE = "default"
_UNKNOWN = 404


def add_person(root: Path, name: str, ask_password: Callable[[], str], *, trains: bool) -> bool:
    """Let a person in, and give or take the role `trainers`; whether the name is new.

    May be repeated. A name that is known keeps its password.

    Raises:
        TrackingError: there is no server, it is away, we are no administrator, or the password is short.
    """
    uri = resolve_uri(root)
    if not is_server(uri):
        raise TrackingError("there is no server; set MLFLOW_TRACKING_URI to its address")
    try:
        role = _find_role(uri)
        is_new = not _knows(uri, name)
        if is_new:
            ask(uri, "users/create", {"username": name, "password": _check_length(ask_password())})
        asked = f"users/roles/list?username={quote(name, safe='')}"
        has = any(one["id"] == role for one in ask(uri, asked, version="3.0")["roles"])
        if trains != has:
            path, method = ("roles/assign", "POST") if trains else ("roles/unassign", "DELETE")
            ask(uri, path, {"username": name, "role_id": role}, version="3.0", method=method)
    except (UnusualAnswerError, OSError, ValueError, LookupError, TypeError) as error:
        raise TrackingError(explain_refusal(uri, error)) from None
    return is_new


def _check_length(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise TrackingError(f"a password needs at least {MIN_PASSWORD} characters, and this one is shorter")
    return password


def _find_role(uri: str) -> int:
    """The number of the role `trainers`, made on first use, with its permissions."""
    roles = ask(uri, f"roles/list?workspace={_WORKSPACE}", version="3.0")["roles"]
    found: Any = next((one for one in roles if one["name"] == TRAINERS), None)
    if found is None:
        wanted = {"workspace": _WORKSPACE, "name": TRAINERS, "description": "may run the chain"}
        found = ask(uri, "roles/create", wanted, version="3.0")["role"]
    number = int(found["id"])
    held = ask(uri, f"roles/permissions/list?role_id={number}", version="3.0")["role_permissions"]
    for kind in _MAY_CHANGE:
        if not any((one["resource_type"], one["permission"]) == (kind, "MANAGE") for one in held):
            grant = {
                "role_id": number,
                "resource_type": kind,
                "resource_pattern": "*",
                "permission": "MANAGE",
            }
            ask(uri, "roles/permissions/add", grant, version="3.0")
    return number


def _knows(uri: str, name: str) -> bool:
    try:
        ask(uri, f"users/get?username={quote(name, safe='')}")
    except UnusualAnswerError as error:
        if error.code == _UNKNOWN:
            return False
        raise
    return True
