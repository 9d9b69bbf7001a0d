"""Uvicorn on a socket, with an end to requests whose head never comes.

Uvicorn closes a connection that is silent between two requests. One that sends a line of its head now and
then, or that goes on sending a body which was refused, it would keep for ever.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_S = 10.0  # for the head of a request, and for the rest of a body that was refused
_MAX_CONNECTIONS = 400
_MAX_HEAD_BYTES = 64 << 10
_LAST_REQUESTS_S = 30  # for what is being answered when the server ends


class TimedProtocol(H11Protocol):
    """A connection that is closed where no request is being answered and none is whole in time."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for a first request, for so long."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came; a request that is whole stops the watch, until it is answered."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the watch."""
        super().connection_lost(exc)
        self._stop_watching()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_watching()
        elif self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(_HEAD_S, self._end_if_silent)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_if_silent(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def serve(app: Any, listening: socket.socket, *, when_ready: Callable[[], None]) -> None:
    """Answer requests at a socket until SIGINT or SIGTERM, and then those that are in hand."""
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        lifespan="auto",  # with "on", a second Ctrl+C would log a traceback
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        timeout_graceful_shutdown=_LAST_REQUESTS_S,
    )
    with suppress(KeyboardInterrupt):  # Uvicorn raises it again when all is done
        _Server(config, when_ready).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()
