"""A Ray cluster on this machine: a head and other raylets as processes of their own, all ended at the end."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from pipeline.workers.engine import ENGINE_VARIABLE

_START_S = 60
_REPO = Path(__file__).parents[1]


class Cluster:
    """Raylets of one core each; `address` is what RAY_ADDRESS is to be."""

    def __init__(self, folder: str) -> None:
        self.folder = folder  # short: sockets lie in it, whose paths have at most 107 characters
        self.address = f"127.0.0.1:{find_port()}"
        self.nodes: list[subprocess.Popen[bytes]] = []

    def start_node(self, *, code: Path = _REPO, n_cores: int = 1) -> subprocess.Popen[bytes]:
        """Start a raylet, the first one with the head; its workers run the package in `code`."""
        port = self.address.rpartition(":")[2]
        head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
        command += [f"--address={self.address}"] if self.nodes else head
        command += [f"--num-cpus={n_cores}", "--object-store-memory=100000000", "--node-ip-address=127.0.0.1"]
        variables = {"PYTHONPATH": str(code), "RAY_USAGE_STATS_ENABLED": "0", "PYTHONSAFEPATH": "1"}
        with (Path(self.folder) / f"node{len(self.nodes)}.log").open("wb") as log:
            node = subprocess.Popen(
                command,
                env=os.environ | variables,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.nodes.append(node)
        end = time.monotonic() + _START_S
        while not self._is_up(node):
            assert node.poll() is None, "ray start has ended"
            assert time.monotonic() < end, "ray start takes too long"
            time.sleep(0.1)
        return node

    def kill_node(self, node: subprocess.Popen[bytes]) -> None:
        """End a raylet and its workers at once, as a machine ends that loses its power."""
        for process in self._list_processes(node):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait()

    def list_titles(self, node: subprocess.Popen[bytes]) -> list[str]:
        """What the processes of a raylet call themselves, such as "ray::<the function of a task>"."""
        return [words[0] for process in self._list_processes(node) if (words := _describe(process))]

    def close(self) -> None:
        """End all that was started."""
        for node in reversed(self.nodes):
            self.kill_node(node)

    def _is_up(self, node: subprocess.Popen[bytes]) -> bool:
        return any("RuntimeEnvAgent" in " ".join(_describe(one)) for one in self._list_processes(node))

    @staticmethod
    def _list_processes(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """All processes of the session that `ray start` leads; workers of workers have it too."""
        found = []
        for process in psutil.process_iter():
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getsid(process.pid) == node.pid:
                    found.append(process)
        return found


@contextmanager
def start_cluster(n_nodes: int) -> Iterator[Cluster]:
    """A cluster of raylets."""
    with tempfile.TemporaryDirectory(prefix="dr", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(folder)
        try:
            for _ in range(n_nodes):
                cluster.start_node()
            yield cluster
        finally:
            cluster.close()


def choose_cluster(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process, and those that it starts, work on a cluster."""
    monkeypatch.setenv(ENGINE_VARIABLE, "ray")
    monkeypatch.setenv("RAY_ADDRESS", address)


def find_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def _describe(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):
        return [*process.cmdline()]
    return []
