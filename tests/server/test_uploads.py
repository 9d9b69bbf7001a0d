"""Bodies within bounds: what is taken, and what is refused in a sentence."""

import asyncio
import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.requests import Request

from pipeline.server import uploads
from pipeline.server.uploads import Intake, RefusedError, Upload

BOUNDARY = "multipart/form-data; boundary=B"


def make_request(
    kind: str, parts: Iterable[bytes], *, length: str = "", pause_s: float = 0, ends: bool = True
) -> Request:
    headers = [(b"content-type", kind.encode())] if kind else []
    headers += [(b"content-length", length.encode())] if length else []
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        if not waiting:
            return {"type": "http.disconnect"}
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting) or not ends}

    return Request({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive)


def read(kind: str, *parts: bytes, max_bytes: int = 10_000, **more: Any) -> list[Upload]:
    intake = Intake(max_bytes)
    try:
        return asyncio.run(intake.read_uploads(make_request(kind, parts or (b"",), **more)))
    finally:
        assert intake.n_bytes == 0, "what is read is given back"


def make_form(*files: tuple[str, bytes]) -> bytes:
    parts = [
        b'--B\r\nContent-Disposition: form-data; name="images"; filename="%s"\r\n\r\n%s\r\n'
        % (name.encode(), data)
        for name, data in files
    ]
    return b"".join(parts) + b"--B--\r\n"


def test_every_form_of_a_picture_is_taken() -> None:
    assert read("image/jpeg", b"ab", b"c") == [Upload("", b"abc")]
    assert read("Application/Octet-Stream; x=y", b"abc") == [Upload("", b"abc")]
    text = base64.encodebytes(b"abc" * 40).decode()
    assert read("application/json", json.dumps({"images": [text, "YQ=="]}).encode()) == [
        Upload("", b"abc" * 40),
        Upload("", b"a"),
    ]
    form = make_form(("ü.png", b"one"), ("two.png", b"\r\n--b"))
    assert read(BOUNDARY, form[:50], form[50:]) == [Upload("ü.png", b"one"), Upload("two.png", b"\r\n--b")]


@pytest.mark.parametrize(
    ("kind", "body", "status", "said"),
    [
        pytest.param("", b"x", 415, "has no Content-Type; allowed: multipart/form-data", id="no type"),
        pytest.param("text/html", b"x", 415, "the type 'text/html' is not taken", id="another type"),
        pytest.param("image/png", b"", 400, "there is no image in the request", id="nothing"),
        pytest.param(
            "application/json", b"{", 400, "the JSON is not as it should be: Invalid JSON", id="no JSON"
        ),
        pytest.param(
            "application/json", b"[" * 9_000, 400, "the JSON is not as it should be", id="deep JSON"
        ),
        pytest.param("application/json", b'{"images": []}', 400, "images: List should have", id="empty list"),
        pytest.param("application/json", b'{"images": [3]}', 400, "images.0: Input should be", id="a number"),
        pytest.param(
            "application/json", b'{"images": ["\xc3\xa9"]}', 400, "image 1 is not base64", id="no base64"
        ),
        pytest.param(
            "application/json", b'{"images": ["a-b_"]}', 400, "image 1 is not base64", id="url-safe"
        ),
        pytest.param(
            "application/json", json.dumps({"images": ["YQ=="] * 65}).encode(), 400, "64", id="65 texts"
        ),
        pytest.param("multipart/form-data", b"x", 400, "the form cannot be read", id="no boundary"),
        pytest.param(BOUNDARY, b"no form", 400, "the form cannot be read", id="no form"),
        pytest.param(BOUNDARY, make_form(*[("a", b"x")] * 65), 400, "Too many files", id="65 files"),
        pytest.param(BOUNDARY, make_form(), 400, "there is no image", id="an empty form"),
        pytest.param(
            BOUNDARY,
            b'--B\r\nContent-Disposition: form-data; name="images"\r\n\r\nx\r\n--B--',
            400,
            "no image",
            id="a text",
        ),
        pytest.param("image/png", b"x" * 10_001, 413, "larger than 10,000 bytes", id="too large"),
    ],
)
def test_what_is_refused(kind: str, body: bytes, status: int, said: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(kind, body)
    assert refused.value.status == status
    assert said in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_length_that_is_stated_is_refused_before_a_byte_is_read() -> None:
    with pytest.raises(RefusedError) as refused:
        read("image/png", b"x", length="10001")
    assert refused.value.status == 413
    with pytest.raises(RefusedError):
        read("image/png", b"x" * 10_001, length="5")


def test_a_name_is_short_and_holds_nothing_that_a_terminal_obeys() -> None:
    ((name, _),) = read(BOUNDARY, make_form(("\x1b[31m" + "n" * 900 + ".png", b"x")))
    assert len(name) <= 255
    assert name.startswith("\\x1b")
    assert name.endswith(".png")


def test_a_body_that_stalls_or_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_MAX_IDLE_S", 0.05)
    with pytest.raises(RefusedError, match="too slowly") as refused:
        read("image/png", b"x", pause_s=5)
    assert refused.value.status == 408
    monkeypatch.setattr(uploads, "_MAX_IDLE_S", 60)
    monkeypatch.setattr(uploads, "_MAX_TOTAL_S", 0.05)
    with pytest.raises(RefusedError, match="too slowly"):
        read("image/png", *[b"x"] * 1000, pause_s=0.001)


def test_a_client_that_goes_away_leaves_nothing() -> None:
    with pytest.raises(RefusedError, match="ended before the body did"):
        read("image/png", b"x", ends=False)


def test_all_bodies_together_have_a_bound() -> None:
    intake = Intake(10)
    intake.n_bytes = 16 * 10
    with pytest.raises(RefusedError, match="too much is sent at once") as refused:
        asyncio.run(intake.read_uploads(make_request("image/png", [b"x"])))
    assert (refused.value.status, refused.value.retry_s, intake.n_bytes) == (503, 1, 160)
