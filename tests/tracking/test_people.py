"""people: who is let in, by a server that answers as MLflow does; tests/test_server_story.py asks MLflow."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking.people import add_person
from tests.tracking.test_server import HELLO, listen

PASSWORD = "long enough for MLflow"


@contextmanager
def answer_as(known: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server that knows some answers, and has nothing else; yields what it was asked."""
    asked: list[str] = []

    def answer(connection: socket.socket, request: bytes) -> None:
        line = " ".join(request.decode().split(" ")[:2])
        asked.append(line)
        path = line.split("/mlflow/")[1]
        if path in known:
            body = json.dumps(known[path]).encode()
            connection.sendall(HELLO % (len(body), body))
        else:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with listen(answer) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        yield asked


ROLE = {"id": 7, "name": "trainers"}
HELD = [{"resource_type": kind, "permission": "MANAGE"} for kind in ("experiment", "registered_model")]
TEAM = {
    "roles/list?workspace=default": {"roles": [ROLE]},
    "roles/permissions/list?role_id=7": {"role_permissions": HELD},
    "users/get?username=ana": {"user": {}},
    "roles/assign": {},
    "roles/unassign": {},
}


@pytest.mark.parametrize(
    ("has", "trains", "changed"),
    [
        pytest.param(False, True, ["POST /api/3.0/mlflow/roles/assign"], id="given"),
        pytest.param(True, False, ["DELETE /api/3.0/mlflow/roles/unassign"], id="taken"),
        pytest.param(True, True, [], id="held"),
        pytest.param(False, False, [], id="not held"),
    ],
)
def test_a_role_is_given_and_taken(
    has: bool, trains: bool, changed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = TEAM | {"users/roles/list?username=ana": {"roles": [ROLE] if has else []}}
    with answer_as(team, monkeypatch) as asked:
        assert not add_person(tmp_path, "ana", lambda: "", trains=trains), "she is known, and keeps hers"
    assert asked[4:] == changed


def test_a_short_password_is_refused_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answer_as(TEAM, monkeypatch) as asked:
        with pytest.raises(TrackingError, match="at least 12 characters"):
            add_person(tmp_path, "a b/c", lambda: "short", trains=True)
        assert asked[-1] == "GET /api/2.0/mlflow/users/get?username=a%20b%2Fc"


def test_an_answer_of_something_else_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        answer_as({}, monkeypatch),
        pytest.raises(TrackingError, match=r"MLflow at http.* answers HTTP 404: look at its log"),
    ):
        add_person(tmp_path, "ana", lambda: PASSWORD, trains=True)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(TrackingError, match="there is no server; set MLFLOW_TRACKING_URI"):
        add_person(tmp_path, "ana", lambda: PASSWORD, trains=True)
