"""`darkroom tracking`: what a person reads. tests/test_server_story.py runs it against a server."""

from collections.abc import Callable

import pytest

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr
NOBODY = "http://me:secret@127.0.0.1:9"  # the discard port: nothing listens


def test_a_server_without_a_database_is_one_line(darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_BACKEND_STORE_URI", raising=False)
    code, said, error = darkroom("tracking", "serve")
    assert (code, said, error.count("\n")) == (1, "", 1)
    assert error.startswith(
        "error: MLFLOW_BACKEND_STORE_URI must name a database of PostgreSQL, and it is not"
    )


def test_health_asks_a_server(darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, error = darkroom("tracking", "health")
    assert (code, error) == (
        1,
        "error: there is no server to ask; set MLFLOW_TRACKING_URI to its address\n",
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    code, said, error = darkroom("tracking", "health")
    assert (code, said) == (1, "")
    assert error.startswith("error: MLflow at http://***@127.0.0.1:9 cannot be used")


def test_what_a_person_may_is_look_or_train(darkroom: Darkroom) -> None:
    code, _, error = darkroom("tracking", "person", "ana", "--may", "everything")
    assert (code, error) == (1, "error: --may is look or train, not everything\n")
