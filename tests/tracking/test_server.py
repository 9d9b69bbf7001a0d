"""server: what is asked of a server without MLflow, one that hangs, drips, refuses or wants a password."""

import base64
import datetime
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.tracking import server

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


@contextmanager
def listen(
    answer: Callable[[socket.socket, bytes], None], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server on 127.0.0.1 that hands each connection, with what it was sent, to `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk(connection: socket.socket) -> None:
            with suppress(OSError):
                said = tls.wrap_socket(connection, server_side=True) if tls else connection
                with said:
                    answer(said, said.recv(1 << 16))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http{'s' * bool(tls)}://127.0.0.1:{listening.getsockname()[1]}"


def say(body: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(HELLO % (len(body), body))


def hang(connection: socket.socket, asked: bytes) -> None:
    time.sleep(100)


def drip(connection: socket.socket, asked: bytes) -> None:
    """A byte every tenth of a second: each one begins a socket's own timeout anew."""
    for byte in HELLO % (1000, b"x" * 1000):
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


@pytest.mark.parametrize("answer", [pytest.param(hang, id="hangs"), pytest.param(drip, id="drips")])
def test_a_server_has_a_deadline_for_its_whole_answer(
    answer: Callable[[socket.socket, bytes], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server, "DEADLINE_S", 1.0)
    monkeypatch.setattr(server, "_WORD_AFTER_S", 0.3)
    caplog.set_level("INFO")
    start = time.monotonic()
    with listen(answer) as uri, pytest.raises(TimeoutError, match="no whole answer within 1 s"):
        server.probe(uri)
    assert time.monotonic() - start < 30
    assert caplog.messages == [f"waiting for MLflow at {uri}"]


def test_an_answer_is_json_or_unusual() -> None:
    with listen(say(b'{"runs": [1]}')) as uri:
        assert server.ask(uri, "runs/search", {"max_results": 1}) == {"runs": [1]}
    for body in (b"<html>", b"\xff", b"[" * 100_000):
        with listen(say(body)) as uri, pytest.raises(server.UnusualAnswerError):
            server.ask(uri, "runs/search")


def test_a_refusal_is_an_answer() -> None:
    def refuse(connection: socket.socket, asked: bytes) -> None:
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with listen(refuse) as uri:
        server.probe(uri)
        with pytest.raises(server.UnusualAnswerError, match="403"):
            server.ask(uri, "experiments/search")


@pytest.mark.parametrize(
    ("user", "variables", "expected"),
    [
        pytest.param("", {}, None, id="nobody"),
        pytest.param("me:p%40ss@", {}, b"Basic " + base64.b64encode(b"me:p@ss"), id="in the URI"),
        pytest.param(
            "",
            {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "pass"},
            b"Basic " + base64.b64encode(b"me:pass"),
            id="variables",
        ),
        pytest.param("", {"MLFLOW_TRACKING_TOKEN": "token"}, b"Bearer token", id="token"),
    ],
)
def test_who_asks(
    user: str, variables: dict[str, str], expected: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def answer(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        say(b"{}")(connection, request)

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with listen(answer) as uri:
        server.ask(uri.replace("//", f"//{user}") + "/prefix/", "runs/search?a=b")
    assert asked[0].startswith(b"GET /prefix/api/2.0/mlflow/runs/search?a=b ")
    said = [line for line in asked[0].split(b"\r\n") if line.lower().startswith(b"authorization:")]
    assert said == ([b"Authorization: " + expected] if expected else [])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("certificate") / "certificate.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


def test_a_certificate_of_ones_own_is_trusted_where_it_is_named(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with listen(say(b"{}"), tls) as uri:
        with pytest.raises(OSError, match="certificate verify failed"):
            server.ask(uri, "runs/search")
        for name, value in (("SERVER_CERT_PATH", str(certificate)), ("INSECURE_TLS", "true")):
            with monkeypatch.context() as patch:
                patch.setenv(f"MLFLOW_TRACKING_{name}", value)
                assert server.ask(uri, "runs/search") == {}
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", f"{certificate}.gone")
        with pytest.raises(OSError, match="No such file"):
            server.ask(uri, "runs/search")


def test_other_ways_to_sign_in_are_left_to_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "true")
    with pytest.raises(server.UnusualAnswerError):
        server.ask("http://127.0.0.1:9", "runs/search")


def test_a_password_is_hidden() -> None:
    assert server.hide_password("http://me:secret@host:1/x") == "http://***@host:1/x"
    assert server.hide_password("sqlite:////p/mlflow.db") == "sqlite:////p/mlflow.db"


@pytest.mark.parametrize("address", ["http://[::1", "http://me:secret@[::1/x", "http://a]b", "https://[x]"])
def test_an_address_that_is_none_is_a_connection_that_failed(address: str) -> None:
    for use in (server.probe, lambda uri: server.ask(uri, "x")):
        with pytest.raises(OSError, match="malformed"):
            use(address)
    assert "secret" not in server.hide_password(address)


def test_name_and_password_leave_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow logs the address of what fails."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "of before")
    assert server.sign_in("http://me:p%40ss@host:1/x") == "http://host:1/x"
    assert [os.environ[f"MLFLOW_TRACKING_{name}"] for name in ("USERNAME", "PASSWORD")] == ["me", "p@ss"]
    assert server.sign_in("http://host:1/x") == "http://host:1/x"


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000])
def test_something_else_at_that_port_is_a_connection_that_failed(answer: bytes) -> None:
    with listen(lambda connection, _: connection.sendall(answer)) as uri, pytest.raises(ConnectionError):
        server.probe(uri)


def test_a_malformed_address_does_not_show_its_password() -> None:
    with pytest.raises(ConnectionError) as caught:
        server.probe("http://bob:s3/cret@host")
    assert "s3" not in str(caught.value)
