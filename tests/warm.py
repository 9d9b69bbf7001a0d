"""A warm interpreter: `python -m pipeline.stages.x`, `dvc` and `darkroom` as forks of one process.

It has the libraries.

A story that runs the chain ten times would import TensorFlow thirty times. Here one server imports
third-party libraries, never the package itself, and forks for each command: the fork takes over the command's
folder, environment, standard streams and exit code, and imports `pipeline` from that folder as a fresh
interpreter does. DVC, MLflow and Keras are the real ones. When a command is killed, its fork is killed too.
"""

import array
import contextlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

_HEAVY = (
    "dvc.cli",
    "dvc.repo",
    "dvc.commands.repro",
    "dvc.commands.experiments.run",
    "great_expectations.expectations",
    "keras",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mlflow",
    "mlflow.pyfunc",
    "mlflow.tracking",
    "pandas",
    "PIL.Image",
    "pyarrow.parquet",
    "scipy.sparse.csgraph",
    "sklearn.ensemble",
    "sklearn.tree",
    "tensorflow",
)
_START_TIMEOUT_S = 300

_CLIENT = """#!{python} -IS
import array, json, os, socket, sys
name, argv = os.path.basename(sys.argv[0]), sys.argv[1:]
is_module = name == "python" and argv[:1] == ["-m"]
is_stage = is_module and argv[1].startswith(("pipeline.stages.", "tests.killing"))
if not (is_stage or name != "python") or os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    os.execv({python!r} if name == "python" else os.path.join({where!r}, name), [name, *argv])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = json.dumps([name, argv, os.getcwd(), dict(os.environ)]).encode() + b"\\n"
    server.sendmsg([asked[:1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    server.sendall(asked[1:])
    answer = server.makefile("rb").read()
sys.exit(int(answer or b"1"))
"""


@contextlib.contextmanager
def warm_commands(folder: Path, preloaded: Path | None = None) -> Iterator[Path]:
    """Start a server; yields a folder to put first on PATH, with the commands `python`, `dvc`
    and `darkroom`.

    Args:
        preloaded: a library that the server and its forks load before any other (`tests/shim.c`).
    """
    address = str(folder / "socket")
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    where = Path(sys.executable).parent
    for name in ("python", "dvc", "darkroom"):
        client = bin_folder / name
        client.write_text(
            _CLIENT.format(python=sys.executable, where=str(where), address=address), encoding="utf-8"
        )
        client.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        env={"TF_ENABLE_ONEDNN_OPTS": "1", **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        | ({"LD_PRELOAD": str(preloaded)} if preloaded else {}),
        cwd="/",
    )
    try:
        start = time.monotonic()
        while not Path(address).exists():
            assert server.poll() is None, "the warm interpreter ended at its start"
            assert time.monotonic() - start < _START_TIMEOUT_S
            time.sleep(0.1)
        yield bin_folder
    finally:
        server.kill()
        server.wait()


def serve(address: str) -> NoReturn:
    """Import what is heavy, then fork for each command that connects."""
    os.environ.setdefault(
        "ARROW_DEFAULT_MEMORY_POOL", "system"
    )  # as pipeline/__init__.py, before Arrow comes
    for module in _HEAVY:
        __import__(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{address}.new")
        listening.listen()
        Path(f"{address}.new").rename(address)
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _keep(connection)
            connection.close()


def _keep(connection: socket.socket) -> NoReturn:
    """Run one command in a fork of its own; send its exit code, or kill it when its client is gone."""
    asked, streams = _receive(connection)
    worker = os.fork()
    if worker == 0:
        connection.close()
        _run(asked, streams)
    with contextlib.suppress(OSError):  # here as well as there, so that it is done before any kill
        os.setpgid(worker, worker)
    for stream in streams:
        os.close(stream)
    gone = os.pidfd_open(worker)
    ready, _, _ = select.select([connection.fileno(), gone], [], [])
    if gone not in ready:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(OSError):
        connection.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _receive(connection: socket.socket) -> tuple[list[Any], list[int]]:
    streams = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(3 * streams.itemsize))
    for _, _, sent in ancillary:
        streams.frombytes(sent)
    while not data.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:  # the client is gone
            os._exit(0)
        data += more
    return json.loads(data), list(streams)


def _run(asked: list[Any], streams: list[int]) -> NoReturn:
    """Be the command: its streams, folder, environment and arguments, then its code."""
    name, argv, folder, environment = asked
    os.setpgrp()  # what it starts is killed with it
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        if name == "dvc":
            from dvc.cli import main

            sys.argv = ["dvc", *argv]
            code = main(argv)
        else:
            module, *rest = ["pipeline.cli.app", *argv] if name == "darkroom" else argv[1:]
            sys.argv = [module, *rest]
            sys.path[0] = folder  # as `python -m` has it
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 (what an interpreter does with it)
        sys.excepthook(*sys.exc_info())
    finally:
        for stream_object in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream_object.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
