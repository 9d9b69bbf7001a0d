"""Where a command may listen, and MLflow's server there."""

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from pipeline.errors import TrackingError

_N_TRIED = 20  # ports, for one that is free


def check_port(host: str, port: int, command: str) -> None:
    """Raise TrackingError, with what to do, if a command of Darkroom cannot listen there."""
    if not (fault := _find_fault(host, port)):
        return
    others = range(port + 1, min(port + _N_TRIED, 65_535) + 1)
    if free := next((other for other in others if not _find_fault(host, other)), None):
        advice = f"end what uses it, or choose another: `darkroom {command} --port {free}`"
    else:
        advice = "give an address of this machine, such as `--host 127.0.0.1`, and a free port"
    raise TrackingError(f"port {port} of {host} cannot be used ({fault}); {advice}")


def _find_fault(host: str, port: int) -> str:
    """Why nothing can listen at a port, or ""."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def become_server(host: str, port: int, variables: Mapping[str, str], *options: str) -> NoReturn:
    """Become MLflow's server, until Ctrl+C, with `variables` as its environment."""
    server = ("mlflow", "server")  # as a process of its own
    command = [sys.executable, "-m", *server, "--host", host, "--port", str(port)]
    command += ["--workers", variables.get("MLFLOW_WORKERS") or "1", *options]
    sys.stdout.flush()
    os.execve(sys.executable, command, dict(variables))  # noqa: S606 (fixed words: MLflow takes our place)
