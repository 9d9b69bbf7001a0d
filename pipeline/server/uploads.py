"""What a client sends, as pictures: within bounds of bytes, number and time, or refused in a sentence."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from pipeline.characters import cut, escape

MAX_IMAGES = 64  # of a request
_MAX_NAME = 255  # characters that are kept of a file's name
_MAX_FIELDS = 16
_MAX_IDLE_S, _MAX_TOTAL_S = 10.0, 120.0  # without a byte; for a whole body
_BODIES_AT_ONCE = 16  # of the largest size that may be in memory at a time
_OCTETS = "application/octet-stream"
_JSON, _FORM = "application/json", "multipart/form-data"
_TOO_SLOW = (
    f"the body came too slowly; allowed are {_MAX_IDLE_S:g} s without a byte, and {_MAX_TOTAL_S:g} s in all"
)
_ALLOWED = f"allowed: {_FORM} with one or several files, {_JSON} with base64 texts, or the bytes of one image"


class RefusedError(Exception):
    """A request that is answered with a code and a sentence instead."""

    def __init__(self, status: int, sentence: str, *, retry_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.retry_s = status, retry_s


class Upload(NamedTuple):
    """A picture that a client sent; `name` is that of its file, or ""."""

    name: str
    data: bytes


class EncodedImages(BaseModel):
    """Pictures as text."""

    images: list[str] = Field(
        min_length=1, max_length=MAX_IMAGES, description="The bytes of each image file as base64."
    )


@dataclass
class Intake:
    """How much may be sent; `n_bytes` counts what is in memory."""

    max_bytes: int
    n_bytes: int = 0

    async def read_uploads(self, request: Request) -> list[Upload]:
        """The pictures of a request, at least one.

        Raises:
            RefusedError: there are none, too many or too large ones, or the body is not what it says it is.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not (kind in (_JSON, _FORM, _OCTETS) or kind.startswith("image/")):
            said = (
                f"the type {escape(cut(kind, 60))!r} is not taken" if kind else "the body has no Content-Type"
            )
            raise RefusedError(415, f"{said}; {_ALLOWED}")
        body = await self.read_body(request)
        try:
            uploads = await _parse(kind, request.headers, body)
        finally:
            self.n_bytes -= len(body)
        if not uploads:
            raise RefusedError(400, f"there is no image in the request; {_ALLOWED}")
        return uploads

    async def read_body(self, request: Request) -> bytes:
        """The body, whole; its bytes are added to `n_bytes`, and the caller takes them away.

        Raises:
            RefusedError: it is too large or too slow, or there is no memory for it now.
        """
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and len(stated) < 20 and int(stated) > self.max_bytes:
            self._refuse_size()
        body = bytearray()
        try:
            async with asyncio.timeout(_MAX_TOTAL_S):
                async for part in _stream(request):
                    body += part
                    self.n_bytes += len(part)
                    self._check_room(len(body))
            return bytes(body)
        except BaseException as error:
            self.n_bytes -= len(body)
            if isinstance(error, TimeoutError):
                raise RefusedError(408, _TOO_SLOW) from None
            if isinstance(error, ClientDisconnect):
                raise RefusedError(400, "the connection ended before the body did") from None
            raise

    def _check_room(self, n_bytes: int) -> None:
        """Raise RefusedError where a body, or all bodies together, have too many bytes."""
        if n_bytes > self.max_bytes:
            self._refuse_size()
        if self.n_bytes > _BODIES_AT_ONCE * self.max_bytes:
            raise RefusedError(503, "too much is sent at once; ask again later", retry_s=1)

    def _refuse_size(self) -> NoReturn:
        raise RefusedError(
            413, f"the request is larger than {self.max_bytes:,} bytes; send fewer or smaller images"
        )


async def _stream(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        async with asyncio.timeout(_MAX_IDLE_S):
            try:
                part = await anext(stream)
            except StopAsyncIteration:
                return
        yield part


async def _parse(kind: str, headers: Headers, body: bytes) -> list[Upload]:
    if kind == _FORM:
        return await _parse_form(headers, body)
    if kind == _JSON:
        return await asyncio.to_thread(_parse_json, body)
    return [Upload("", body)] if body else []


async def _parse_form(headers: Headers, body: bytes) -> list[Upload]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(headers, stream(), max_files=MAX_IMAGES, max_fields=_MAX_FIELDS)
    parser.spool_max_size = len(body) + 1  # nothing is written to a disk
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        said = (
            error.message if isinstance(error, MultiPartException) else "it has no boundary, or a broken one"
        )
        raise RefusedError(400, f"the form cannot be read: {escape(cut(said, 200))}") from None
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    uploads = [Upload(_clean_name(file.filename), await file.read()) for file in files]
    await form.close()
    return uploads


def _parse_json(body: bytes) -> list[Upload]:
    try:
        encoded = EncodedImages.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {first['msg']}" if where else first["msg"]
        raise RefusedError(400, f"the JSON is not as it should be: {escape(cut(said, 200))}") from None
    return [Upload("", _decode(text, number)) for number, text in enumerate(encoded.images, start=1)]


def _decode(text: str, number: int) -> bytes:
    try:
        return base64.b64decode(b"".join(text.encode("ascii").split()), validate=True)
    except ValueError:
        raise RefusedError(400, f"image {number} is not base64: {escape(cut(repr(text[:50]), 60))}") from None


def _clean_name(name: str | None) -> str:
    return cut(escape(cut(name or "", _MAX_NAME)), _MAX_NAME)


def describe_body() -> dict[str, Any]:
    """What a request may hold, for the OpenAPI document."""
    image = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"images": {"type": "array", "items": image, "minItems": 1, "maxItems": MAX_IMAGES}},
        "required": ["images"],
    }
    schemas = {_FORM: form, _JSON: EncodedImages.model_json_schema(), "image/*": image, _OCTETS: image}
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in schemas.items()}}
