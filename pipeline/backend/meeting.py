"""How hosts that train together meet: host 0 waits at an address, and the others come to it.

The machine says who is who: `DARKROOM_HOSTS`, `DARKROOM_HOST`, `DARKROOM_COORDINATOR`.
"""

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pipeline.backend.peers import GARBLED, Peer
from pipeline.errors import ParamsError, WorkersError, one_line

N_VARIABLE, NUMBER_VARIABLE = "DARKROOM_HOSTS", "DARKROOM_HOST"
ADDRESS_VARIABLE, WAIT_VARIABLE = "DARKROOM_COORDINATOR", "DARKROOM_HOSTS_WAIT_S"
BACK = f"unset {N_VARIABLE} to train on this machine alone"
_MOST = 1024  # hosts
_WAIT_S = 120
_TELL_EVERY_S = 10.0
_HELLO_S, _LONGEST_HELLO = 5.0, 1000  # for who connects to say who it is, in seconds and bytes
_RUN = "python -m pipeline.stages.train"

_log = logging.getLogger(__name__)


class Address(NamedTuple):
    """Where host 0 waits: its name or IP address, and the port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_numbers() -> tuple[int, int]:
    """How many hosts train together, and which of them this is (from 0).

    Raises:
        ParamsError: a variable has a value that is not allowed; or DVC runs this, and it is not host 0.
    """
    n = _read_whole(N_VARIABLE, 1, _MOST, 1)
    number = _read_whole(NUMBER_VARIABLE, 0, n - 1, 0)
    if number and "DVC_STAGE" in os.environ:
        raise ParamsError(
            f"{NUMBER_VARIABLE} is {number}, and `dvc repro` is for host 0 alone; run `{_RUN}` here, while "
            "it trains there"
        )
    return n, number


def explain_wait() -> str:
    """What to do where two processes of one training wait for each other, for the end of a line; or ""."""
    if N_VARIABLE not in os.environ or NUMBER_VARIABLE in os.environ:
        return ""
    return f" (is it host 0 of these {N_VARIABLE}? then set {NUMBER_VARIABLE} here, from 1 up)"


def is_follower() -> bool:
    """Whether this is another host than host 0: it computes, and writes nothing."""
    return read_numbers()[1] > 0


def read_address() -> Address:
    """Where host 0 waits: the name or IP address, and the port.

    Raises:
        ParamsError: it is not of the form host:port.
    """
    said = os.environ.get(ADDRESS_VARIABLE, "")
    host, _, port = said.rpartition(":")
    if not _is_name(host) or "/" in said or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ParamsError(
            f"{ADDRESS_VARIABLE} must be host:port, an address of host 0 that others reach, got {said!r}; "
            f"set it, or {BACK}"
        )
    return Address(host.strip("[]"), int(port))


def _is_name(host: str) -> bool:
    """Whether sockets take it for the name or address of a host."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def wait_for_others(held: contextlib.ExitStack, address: Address, n: int) -> list[Peer]:
    """Host 0: the connections to all others, by number; `held` closes them.

    Raises:
        WorkersError: it cannot wait there, or they do not come in time.
    """
    where = f"{ADDRESS_VARIABLE} {address}"
    try:
        door = socket.create_server(address, family=_find_family(address))
    except OSError as error:
        said = one_line(error).partition(" (while")[0]  # the address once more, as Python writes it
        raise WorkersError(
            f"host 0 cannot wait at {where}: {said}; name an address of this machine and a free "
            f"port, or {BACK}"
        ) from None
    came: dict[int, Peer] = {}
    with door:
        for left_s in _count_down(lambda: f"waiting for {n - 1 - len(came)} of {n} hosts at {where}"):
            door.settimeout(left_s)
            with contextlib.suppress(TimeoutError):
                connected, _ = door.accept()
                if peer := _greet(connected, n, came):
                    came[peer.number] = peer
                    held.callback(peer.close)
            if sum(not peer.gone.is_set() for peer in came.values()) == n - 1:
                break
        else:
            absent = [str(i) for i in range(1, n) if i not in came or came[i].gone.is_set()]
            raise WorkersError(
                f"of {n} hosts, these did not come to {where} within {_read_wait()} s: {', '.join(absent)}; "
                f"start `{NUMBER_VARIABLE}={absent[0]} {_RUN}` there at the same time, with the other "
                f"variables as here, or {BACK}"
            )
    for peer in came.values():
        peer.say({"refused": ""})
    return [came[i] for i in sorted(came)]


def _greet(connected: socket.socket, n: int, came: Mapping[int, Peer]) -> Peer | None:
    """A host that says who it is; None (after a word to it) for one that is not expected."""
    try:
        said = json.loads(_read_line(connected))
        number, theirs = int(said["host"]), int(said["hosts"])
    except GARBLED:
        connected.close()
        return None
    refused = ""
    if theirs != n:
        refused = f"{N_VARIABLE} is {theirs} on host {number} and {n} on host 0; set it alike"
    elif not 0 < number < n or (number in came and not came[number].gone.is_set()):
        refused = f"{NUMBER_VARIABLE} is {number} on two machines; give each its own, from 1 up"
    peer = Peer(number, connected)
    if not refused:
        return peer
    _log.warning("%s", refused)
    peer.say({"refused": refused})
    peer.close()
    return None


def _read_line(connected: socket.socket) -> bytes:
    """A short line, within 5 s in all: others wait meanwhile."""
    end, line = time.monotonic() + _HELLO_S, b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_HELLO:
        connected.settimeout(max(0.001, end - time.monotonic()))
        if not (byte := connected.recv(1)):
            break
        line += byte
    return line


def go_to_chief(held: contextlib.ExitStack, address: Address, n: int, number: int) -> Peer:
    """Another host: the connection to host 0, once all are there; `held` closes it.

    Raises:
        WorkersError: host 0 is not there in time, or refuses this one.
    """
    where = f"{ADDRESS_VARIABLE} {address}"
    for left_s in _count_down(lambda: f"waiting for host 0 at {where}"):
        try:
            connected = socket.create_connection(address, left_s)
        except OSError as error:
            last = one_line(error)
            time.sleep(min(1.0, left_s))
            continue
        peer = Peer(0, connected)
        held.callback(peer.close)
        peer.say({"host": number, "hosts": n})
        if refused := peer.hear().get("refused"):
            raise WorkersError(str(refused))
        return peer
    raise WorkersError(
        f"host 0 was not at {where} within {_read_wait()} s: {last}; start `dvc repro` there "
        "at the same time (`dvc repro -f -s train` where nothing has changed), set "
        f"{WAIT_VARIABLE} to wait longer, or {BACK}"
    )


def _count_down(what: Callable[[], str]) -> Iterator[float]:
    """Seconds to wait next, until the time to wait is over; says every 10 s what is waited for."""
    end = time.monotonic() + _read_wait()
    told = time.monotonic()
    while (now := time.monotonic()) < end:
        if now - told >= _TELL_EVERY_S:
            told = now
            _log.info("%s, %.0f s left", what(), end - now)
        yield min(1.0, end - now)


def _read_wait() -> int:
    return _read_whole(WAIT_VARIABLE, 1, 1_000_000, _WAIT_S)


def _read_whole(variable: str, low: int, high: int, default: int) -> int:
    said = os.environ.get(variable) or str(default)
    if not said.isdecimal() or not low <= int(said) <= high:
        raise ParamsError(f"{variable} must be a whole number from {low} to {high}, got {said!r}; {BACK}")
    return int(said)


def _find_family(address: Address) -> socket.AddressFamily:
    return socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]


def find_port(address: Address) -> int:
    """A port of host 0 that is free."""
    with socket.create_server((address.host, 0), family=_find_family(address)) as free:
        port: int = free.getsockname()[1]
        return port
