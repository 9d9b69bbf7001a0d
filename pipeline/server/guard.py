"""What stands before every request: who may ask, what a browser may do with the answers, and counting."""

import hmac
import time
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Count = Callable[[str, int, float], None]

# The page and what tells whether the server lives need no token: they say nothing of pictures.
OPEN_PATHS = frozenset({"/", "/page.css", "/page.js", "/icon.svg", "/health", "/ready"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}


class Rules(NamedTuple):
    """Who may ask.

    Attributes:
        token: what a request must bear; "": nothing.
        hosts: the names under which a browser may ask, without a port; None: any. A page elsewhere could
            otherwise reach a server on this machine under a name of its own (DNS rebinding).
        paths: of the routes, by which requests are counted.
    """

    token: str
    hosts: Collection[str] | None
    paths: Collection[str]


class Guard:
    """ASGI around the application.

    Args:
        run: what runs as long as the server.
        count: is told path, code and seconds of each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        *,
        run: Callable[[], AbstractAsyncContextManager[None]],
        count: Count,
    ) -> None:
        self._app, self._rules, self._run, self._count = app, rules, run, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it in a sentence."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        start, path = time.monotonic(), str(scope["path"])

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                known = path if path in self._rules.paths else "other"
                self._count(known, message["status"], time.monotonic() - start)
            await send(message)

        app = self._refuse(path, Headers(scope=scope)) or self._app
        await app(scope, receive, send_guarded)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The life of the server; Starlette's own would log a traceback where Ctrl+C comes twice."""
        await receive()
        async with self._run():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _refuse(self, path: str, headers: Headers) -> Any:
        """The answer to a request that is not let through; None if it is."""
        host = _strip_port(headers.get("host", ""))
        if self._rules.hosts is not None and host not in self._rules.hosts:
            return _say(403, "this server answers under its own address only, such as 127.0.0.1")
        origin = headers.get("origin", "")
        if origin and origin.partition("://")[2] != headers.get("host", ""):
            return _say(403, "a page of another address may not ask this server")
        if (
            self._rules.token
            and path not in OPEN_PATHS
            and not self._is_let_in(headers.get("authorization", ""))
        ):
            challenge = {"www-authenticate": "Bearer"}
            return _say(401, "the server asks for its token, as `Authorization: Bearer TOKEN`", challenge)
        return None

    def _is_let_in(self, said: str) -> bool:
        kind, _, token = said.partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(
            token.strip().encode(), self._rules.token.encode()
        )


def _strip_port(host: str) -> str:
    """The name in a Host header, in small letters and without brackets around an IPv6 address."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower()


def _say(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status, headers)
