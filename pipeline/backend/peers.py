"""A connection to another host: lines of JSON, and beats while there is nothing to say.

A process that dies closes its connection at once. A machine without power, or one that hangs, falls silent.
"""

import contextlib
import json
import logging
import queue
import socket
import threading
from collections.abc import Mapping
from typing import Any

from pipeline.errors import WorkersError

_BEAT_S = 5.0
SILENCE_S = 60.0  # without a beat: the host is lost
_TELL_EVERY_S = 10.0
_LONGEST = 1 << 20  # bytes of a line
_BEAT = b"\n"
# What reading a line may raise, whoever sent it.
GARBLED = (OSError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError)

_log = logging.getLogger(__name__)


class Peer:
    """Another host, by its number.

    Attributes:
        gone: set once the host said that it is done, closed the connection, or fell silent.
    """

    def __init__(self, number: int, connected: socket.socket) -> None:
        self.number, self._socket = number, connected
        self.gone = threading.Event()
        self._is_closed = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._said: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        connected.settimeout(SILENCE_S)
        for work in (self._listen, self._beat):
            threading.Thread(target=work, daemon=True, name=f"host {number}").start()

    def say(self, said: Mapping[str, Any]) -> None:
        """Send plain JSON values; a host that is lost does not get them."""
        self._send(json.dumps(said).encode() + b"\n")

    def hear(self) -> Mapping[str, Any]:
        """What the host says next, however long it takes, as long as the host lives.

        Raises:
            WorkersError: it is lost.
        """
        while True:
            try:
                said = self._said.get(timeout=_TELL_EVERY_S)
            except queue.Empty:
                _log.info("waiting for host %d", self.number)
                continue
            if said is None:
                raise WorkersError(explain_loss(self.number))
            return said

    def close(self) -> None:
        """End the connection."""
        self._is_closed.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _send(self, line: bytes) -> None:
        with self._one_at_a_time, contextlib.suppress(OSError):
            self._socket.sendall(line)

    def _listen(self) -> None:
        try:
            with contextlib.suppress(*GARBLED), self._socket.makefile("rb") as lines:
                while line := lines.readline(_LONGEST):
                    if line != _BEAT:
                        self._said.put(dict(json.loads(line)))
        finally:
            self.gone.set()
            self._said.put(None)

    def _beat(self) -> None:
        while not self._is_closed.wait(_BEAT_S):
            self._send(_BEAT)


def explain_loss(number: int) -> str:
    """The line about a host that is lost; 0 is the one that runs the chain."""
    if number:
        return (
            f"host {number} is lost: it ended, or was silent for {SILENCE_S:.0f} s; run `dvc repro` again, "
            "with it or with fewer DARKROOM_HOSTS: training continues after its last whole epoch"
        )
    return (
        f"host 0, which runs the chain, is lost: it ended, or was silent for {SILENCE_S:.0f} s; see what it "
        "said there, and start this again together with it"
    )
