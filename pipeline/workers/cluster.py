"""The Ray cluster that `DARKROOM_ENGINE=ray` names: connected to, watched, left.

Ray is imported here alone, and only where the machine chose it.
"""

import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from pipeline.characters import say_count
from pipeline.errors import ParamsError, WorkersError, one_line
from pipeline.workers.engine import ENGINE_VARIABLE, is_on_cluster

ADDRESS_VARIABLE = "RAY_ADDRESS"
_CONNECT_S = 5.0  # a machine of the same network answers in milliseconds
_JOIN_S = 30.0  # to join a cluster that answers
_BACK = f"unset {ENGINE_VARIABLE} to work on this machine alone"
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns of a change in it
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers have the packages of their machine
    "RAY_task_oom_retries": "3",  # of a task that Ray's memory monitor ended; by default without end
}

_log = logging.getLogger(__name__)


@contextmanager
def join_cluster() -> Iterator[Any]:
    """The module `ray`, connected to the cluster; it is left at the end.

    Raises:
        ParamsError: RAY_ADDRESS is no address.
        WorkersError: Ray is not installed, or the cluster is away, is of another version, or takes nobody.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise WorkersError(
            f"{ENGINE_VARIABLE} is ray, and Ray is not installed; install Darkroom's extra `ray`, or {_BACK}"
        ) from None
    address = find_address()
    check_answers(address)
    try:
        _init(ray, address)
        yield ray
    finally:
        if not sys.is_finalizing():  # a forgotten iterator may end with the interpreter
            ray.shutdown()


def check_cluster() -> None:
    """Raise as `join_cluster` if the machine chose a cluster and it is away: before long work, not after."""
    if is_on_cluster():
        with join_cluster():
            pass


def tell_cluster(ray: Any) -> None:
    """Log where the work goes."""
    _log.info("on the Ray cluster at %s: %s", find_address(), describe_cluster(ray))


def describe_cluster(ray: Any) -> str:
    """How many machines and cores there are now, in words."""
    n_machines = sum(bool(node["Alive"]) for node in ray.nodes())
    return f"{say_count(n_machines, 'machine')} with {say_count(count_cores(ray), 'core')}"


def count_cores(ray: Any) -> int:
    """The cores of the cluster as it is now."""
    return int(ray.cluster_resources().get("CPU", 0))


def find_address() -> str:
    """`RAY_ADDRESS`, or the address of the cluster that was started on this machine.

    Raises:
        ParamsError: it is not of the form host:port.
        WorkersError: there is none.
    """
    said = os.environ.get(ADDRESS_VARIABLE, "")
    if said in ("", "auto"):
        from ray._private.services import canonicalize_bootstrap_address_or_die

        try:
            said = canonicalize_bootstrap_address_or_die("auto")
        except (ConnectionError, ValueError):
            raise WorkersError(
                f"{ENGINE_VARIABLE} is ray, and no Ray runs on this machine; start it with `ray start`, set "
                f"{ADDRESS_VARIABLE} to host:port of the cluster, or {_BACK}"
            ) from None
    host, _, port = said.rpartition(":")
    if not host or "/" in said or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ParamsError(
            f"{ADDRESS_VARIABLE} must be host:port of a cluster that this machine is part of, got {said!r}; "
            f"set it, or {_BACK}"
        )
    return said


def check_answers(address: str) -> None:
    """Raise WorkersError if nothing answers at an address within 5 s."""
    host, _, port = address.rpartition(":")
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S)):
            pass
    except OSError as error:
        raise WorkersError(
            f"the Ray cluster at {address} does not answer: {one_line(error)}; start it with `ray start`, "
            f"set {ADDRESS_VARIABLE} to where it is, or {_BACK}"
        ) from None


def _init(ray: Any, address: str) -> None:
    """Connect; in a thread, since Ray waits for minutes for something that answers and is no Ray.

    There Ray sets no handler of signals either.
    """
    failed: list[BaseException] = []
    logging.getLogger("ray").setLevel(logging.ERROR)

    def connect() -> None:
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
                namespace="darkroom",
            )
        except BaseException as error:  # noqa: BLE001 - Ray raises what it has met, SystemExit too
            failed.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_JOIN_S)
    why = "it is no Ray, or does not take this machine" if thread.is_alive() else ""
    if failed or why:
        said = why or one_line(failed[0])
        raise WorkersError(
            f"the Ray cluster at {address} cannot be joined: {said}; run `ray start --address={address}` on "
            f"this machine with the same versions of Python and Ray, or {_BACK}"
        )
