"""Requests that mean no good, each as bytes on a socket, and what the server must answer.

`tests/server/test_hostile.py` sends each to a real server, and `python -m benchmarks.serve` counts them.
"""

import base64
import json
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

_PATIENCE_S = 40
_BOUNDARY = "B"


class Hostile(NamedTuple):
    """A request: what it is, its bytes in parts, and the codes that may answer ("": closed in silence)."""

    name: str
    parts: Callable[[], Iterator[bytes]]
    codes: tuple[str, ...]


def send(address: tuple[str, int], hostile: Hostile) -> tuple[str, str]:
    """The code and the text of the answer; ("", "") where the server closed the connection without one."""
    with socket.create_connection(address, timeout=_PATIENCE_S) as connection:
        try:
            for part in hostile.parts():
                if part == HALF_CLOSE:
                    connection.shutdown(socket.SHUT_WR)
                else:
                    connection.sendall(part)
        except OSError:
            pass  # the server has answered already
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
                head, _, body = answer.partition(b"\r\n\r\n")
                if body and b"ontent-length: %d\r" % len(body) in head + b"\r":
                    break
        except OSError:
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    return (head.split(b" ")[1].decode() if head else ""), body.decode("utf-8", "replace")


HALF_CLOSE = b"<half close>"


def _post(body: bytes, kind: str = "image/png", *, more: str = "", length: int = -1) -> bytes:
    size = len(body) if length < 0 else length
    head = f"Host: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n{more}\r\n"
    return b"POST /predict HTTP/1.1\r\n" + head.encode("latin-1") + body


def _once(data: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([data])


def make_png(width_px: int, height_px: int, pixels: bytes) -> bytes:
    """A grey PNG whose header says a size, whatever its pixels are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _make_form(files: list[tuple[str, bytes]]) -> bytes:
    head = '--B\r\nContent-Disposition: form-data; name="images"; filename="{}"\r\n\r\n'
    parts = [head.format(name).encode() + data + b"\r\n" for name, data in files]
    return b"".join(parts) + b"--B--\r\n"


def _stream_for_ever() -> Iterator[bytes]:
    yield b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    yield b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(4096):
        yield b"10000\r\n" + bytes(1 << 16) + b"\r\n"


def _drip_head() -> Iterator[bytes]:
    yield b"POST /predict HTTP/1.1\r\n"
    for number in range(60):
        time.sleep(0.25)
        yield b"X-%d: 1\r\n" % number


def _drip_body() -> Iterator[bytes]:
    yield _post(b"", length=1000)
    yield b"\x89PNG"  # and nothing more


def _hang_up() -> Iterator[bytes]:
    yield _post(b"\x89PNG", length=1000)
    yield HALF_CLOSE


_FORM = f"multipart/form-data; boundary={_BOUNDARY}"
_BOMB = zlib.compress(bytes(1 << 26), 9)  # 64 MB of nothing in 64 kB
_TWO_LENGTHS = (
    b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Type: image/png\r\n\r\n0\r\n\r\n"
)
REQUESTS = (
    Hostile(
        "a header of 100,000 x 100,000 pixels", _once(_post(make_png(100_000, 100_000, _BOMB))), ("422",)
    ),
    Hostile("pixels that unpack to more than stated", _once(_post(make_png(8, 8, _BOMB))), ("422", "200")),
    Hostile(
        "a picture that is cut", _once(_post(make_png(64, 64, zlib.compress(bytes(4160)))[:60])), ("422",)
    ),
    Hostile("a script called image/png", _once(_post(b"#!/bin/sh\nrm -rf /\n")), ("422",)),
    Hostile("a zip called image/png", _once(_post(b"PK\x03\x04" + bytes(100))), ("422",)),
    Hostile("nothing", _once(_post(b"")), ("400",)),
    Hostile("a type that is no picture", _once(_post(b"<x>", "text/html")), ("415",)),
    Hostile("a type of 10,000 letters", _once(_post(b"x", "a" * 10_000)), ("415",)),
    Hostile("JSON of 100,000 brackets", _once(_post(b"[" * 100_000, "application/json")), ("400",)),
    Hostile(
        "JSON of a huge number",
        _once(_post(b'{"images": [1%s]}' % (b"0" * 9999), "application/json")),
        ("400",),
    ),
    Hostile(
        "text that is not base64",
        _once(_post(b'{"images": ["../../etc/passwd"]}', "application/json")),
        ("400",),
    ),
    Hostile(
        "base64 of a bomb",
        _once(
            _post(
                json.dumps({"images": [base64.b64encode(make_png(60_000, 60_000, b"")).decode()]}).encode(),
                "application/json",
            )
        ),
        ("422",),
    ),
    Hostile("a form without a boundary", _once(_post(b"x", "multipart/form-data")), ("400",)),
    Hostile("a form of 1,000 files", _once(_post(_make_form([("a", b"x")] * 1000), _FORM)), ("400",)),
    Hostile("a name of 1 MB", _once(_post(_make_form([("n" * (1 << 20), b"x")]), _FORM)), ("400", "422")),
    Hostile("a name that climbs", _once(_post(_make_form([("../../x\x1b[2J.png", b"x")]), _FORM)), ("422",)),
    Hostile("a length of 10 GB", _once(_post(b"x", length=10 << 30)), ("413",)),
    Hostile(
        "a length of 5,000 digits",
        _once(_post(b"x", more="X: 1\r\n", length=int("9" * 4000))),
        ("400", "413"),
    ),
    Hostile("a body without an end", _stream_for_ever, ("413",)),
    Hostile("a body that stops coming", _drip_body, ("408",)),
    Hostile("a body cut by half-closing", _hang_up, ("400", "")),
    Hostile("a head that drips", _drip_head, ("", "400")),
    Hostile("a head of 1 MB", _once(b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n"), ("400",)),
    Hostile("TLS", _once(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)), ("400",)),
    Hostile("two lengths", _once(_TWO_LENGTHS), ("400",)),
    Hostile("another method", _once(b"DELETE /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), ("405",)),
    Hostile(
        "a file of the machine",
        _once(b"GET /../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
        ("404",),
    ),
    Hostile("another host", _once(b"GET /model HTTP/1.1\r\nHost: evil.example\r\n\r\n"), ("403",)),
    Hostile("a page of elsewhere", _once(_post(b"x", more="Origin: http://evil.example\r\n")), ("403",)),
    Hostile(
        "a websocket",
        _once(
            b"GET /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
        ),
        ("405",),
    ),
)
