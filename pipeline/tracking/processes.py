"""Which process works on an MLflow run: what a killed one left is told from what a living one does."""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

PROCESS_TAG = "darkroom.process"
_BOOT_ID, _NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
_MACHINE_ID = Path("/etc/machine-id")
_PLACE = ("host", "machine", "namespace")  # many machines are called "localhost"
_DAY_MS = 86_400_000
_SAME_START_S = 60  # a clock that is set moves the start of every process


def describe_process() -> str:
    """This process, so that any other process can tell whether it still lives: the value of PROCESS_TAG."""
    import psutil

    known: dict[str, str | int] = {
        "host": socket.gethostname(),
        "boot": "",
        "namespace": "",
        "pid": os.getpid(),
    }
    with suppress(OSError):
        known |= {"machine": _MACHINE_ID.read_text().strip()}
    with suppress(OSError):  # Linux only
        known |= {"boot": _BOOT_ID.read_text().strip(), "namespace": str(_NAMESPACE.readlink())}
    return json.dumps(known | {"started": psutil.Process().create_time()}, sort_keys=True)


def name_user() -> str:
    """Who runs this process: the name on the tracking server, or else on this machine."""
    import getpass

    try:
        return os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    except (OSError, KeyError, ImportError):  # a number without a name, as in a container
        return str(os.getuid())


def is_gone(described: str | None, since_ms: int) -> bool:
    """Whether the process behind a run has ended.

    A process elsewhere (another host, another container) cannot be seen. It counts as gone after a day.

    Args:
        described: the value of PROCESS_TAG; None if the run has none.
        since_ms: when the run began, in milliseconds since 1970.
    """
    import psutil

    is_old = time.time() * 1000 - since_ms > _DAY_MS
    try:
        there, here = json.loads(described or ""), json.loads(describe_process())
        pid, started = int(there["pid"]), float(there["started"])
        is_other_place = any(there.get(name) != here.get(name) for name in _PLACE)
        is_other_boot = there["boot"] != here["boot"]
    except (ValueError, KeyError, TypeError):
        return is_old
    if is_other_place:
        return is_old
    if is_other_boot:
        return True
    try:
        return bool(abs(psutil.Process(pid).create_time() - started) > _SAME_START_S)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return is_old
