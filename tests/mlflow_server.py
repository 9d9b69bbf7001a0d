"""A real MLflow server on 127.0.0.1, as a team would start it: for tests that speak HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADMIN_PASSWORD = "of the administrator"
_START_TIMEOUT_S = 240


@contextmanager
def run_server(folder: Path, store: str, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server over a database, answering when this yields; its log is `folder`/server.log."""
    port = find_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", store, *options]
    with _run(command, folder, folder, port, {}) as server:
        yield server, f"http://127.0.0.1:{port}"


@contextmanager
def run_team_server(root: Path, database: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """What `make server` runs in a project, over a database of PostgreSQL; its log is `root`/server.log."""
    port = find_port()
    variables = {"MLFLOW_BACKEND_STORE_URI": database, "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD}
    command = [sys.executable, "-m", "pipeline.cli.app", "tracking", "serve", "--port", str(port)]
    with _run(command, root, root, port, variables) as server:
        yield server, f"http://127.0.0.1:{port}"


def find_port() -> int:
    """A port of 127.0.0.1 that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _run(
    command: list[str], folder: Path, root: Path, port: int, more: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")} | more
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_well(server, f"http://127.0.0.1:{port}/health")
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextmanager
def run_own_server(folder: Path) -> Iterator[str]:
    """A server with a database and artifacts in a folder that only it can reach; its address."""
    artifacts = ("--artifacts-destination", str(folder / "artifacts"))
    with run_server(folder, f"sqlite:///{folder}/server.db", *artifacts) as (_, uri):
        yield uri


def wait_until_well(server: "subprocess.Popen[bytes]", address: str) -> None:
    """Wait until a server of any kind answers at an address."""
    last = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < last:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        assert server.poll() is None, "the server ended at its start"
        time.sleep(0.2)
    raise TimeoutError(f"{address} did not answer within {_START_TIMEOUT_S} s")
