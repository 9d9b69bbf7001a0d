"""PostgreSQL as Debian installs it, started by tests on 127.0.0.1 in a folder of its own, never as root."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "se/cr@et %x"  # quoted in a URI, and in an .ini once more
_QUOTED = "se%2Fcr%40et%20%25x"
_NOBODY = "nobody"  # PostgreSQL refuses to run as root
_START_TIMEOUT_S = 60


@dataclass
class Postgres:
    """A server of databases: where it is, and how to stop and start it."""

    folder: Path
    programs: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def uri(self) -> str:
        """The URI as a person writes it, without a driver."""
        return f"postgresql://darkroom:{_QUOTED}@127.0.0.1:{self.port}/postgres"

    def add_database(self, name: str) -> str:
        """The URI of a new, empty database."""
        import pg8000.dbapi

        connection = pg8000.dbapi.connect("darkroom", "127.0.0.1", "postgres", self.port, PASSWORD)
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        return self.uri.removesuffix("postgres") + name

    def start(self) -> None:
        """Start it, or start it again; it answers when this returns."""
        command = [str(self.programs / "postgres"), "-D", f"{self.folder}/data", f"-p{self.port}", "-F"]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, user=_name_other()
            )
        last = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < last, "PostgreSQL did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, as a restart does: it rolls back and closes every connection."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def _answers(self) -> bool:
        import pg8000.dbapi

        with suppress(pg8000.dbapi.Error):
            pg8000.dbapi.connect("darkroom", "127.0.0.1", "postgres", self.port, PASSWORD).close()
            return True
        return False


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """A new server; skips where PostgreSQL is not installed, but not in CI, which installs it (`.ci/run`)."""
    programs = find_programs()
    if programs is None:
        assert not os.environ.get("DARKROOM_CI"), "CI installs postgresql by apt-get, and it is not there"
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="darkroom-postgres-"))  # pytest's own folders are closed to others
    other = _name_other()
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if other:
            for path in (folder, secret):
                shutil.chown(path, _NOBODY)
        command = [str(programs / "initdb"), "-D", f"{folder}/data", "-U", "darkroom", f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, user=other)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Postgres(folder, programs, port)
        server.start()
        yield server
        if server.process and server.process.poll() is None:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_programs() -> Path | None:
    """The folder of PostgreSQL's programs: Debian's newest, or that of the one on PATH."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if found := max(installed, key=lambda path: int(path.parents[1].name), default=None):
        return found.parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _name_other() -> str | None:
    return _NOBODY if os.geteuid() == 0 else None
