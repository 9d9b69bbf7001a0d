"""Connections that send a little now and then are closed, and others are not."""

import socket
import time
from urllib.parse import urlsplit

import pytest

from pipeline.server import connections
from tests.serve_process import ask
from tests.server.conftest import RunApp, StandIn

HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"


def connect(address: str) -> socket.socket:
    where = urlsplit(address)
    return socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=30)


def drip_until_closed(connection: socket.socket) -> None:
    """Send a line now and then; it returns when the server has closed the connection."""
    last = time.monotonic() + 30
    while time.monotonic() < last:
        try:
            connection.sendall(b"X: 1\r\n")
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("the server kept it")


def test_a_head_that_drips_is_closed(run_app: RunApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_HEAD_S", 0.3)
    with run_app() as (address, _), connect(address) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        drip_until_closed(connection)
        assert ask(f"{address}/health")[0] == 200


def test_a_second_head_that_drips_is_closed_too(run_app: RunApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_HEAD_S", 0.3)
    with run_app() as (address, _), connect(address) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
        drip_until_closed(connection)


def test_a_request_that_is_being_answered_is_not(
    run_app: RunApp, process: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_HEAD_S", 0.1)
    with run_app() as (address, deployment), connect(address) as connection:
        process.may_go_on.clear()
        connection.sendall(HEAD + b"Content-Length: 1\r\n\r\na")
        while not deployment.running.lock.locked():
            time.sleep(0.01)
        time.sleep(0.5)
        process.may_go_on.set()
        assert b"200 OK" in connection.recv(4096)


def test_what_is_in_hand_when_it_ends_is_answered(run_app: RunApp, process: StandIn) -> None:
    with run_app() as (address, deployment):
        connection = connect(address)
        process.may_go_on.clear()
        connection.sendall(HEAD + b"Content-Length: 1\r\n\r\na")
        while not deployment.running.lock.locked():
            time.sleep(0.01)
    with connection:
        assert b"200 OK" in connection.recv(4096)
