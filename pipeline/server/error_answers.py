"""Whatever goes wrong with a request is answered with its code and a sentence, as JSON."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pipeline.characters import cut, escape, say_count
from pipeline.errors import ModelError
from pipeline.server.batching import BusyError
from pipeline.server.deployment import DownError
from pipeline.server.uploads import RefusedError


def add_error_answers(app: FastAPI) -> None:
    """Every refusal is a sentence, whoever raises it."""

    def respond(status: int, sentence: str, retry_s: int | None = None) -> JSONResponse:
        headers = {} if retry_s is None else {"retry-after": str(retry_s)}
        return JSONResponse({"detail": sentence}, status, headers)

    @app.exception_handler(RefusedError)
    async def refuse(_: Request, error: RefusedError) -> JSONResponse:
        return respond(error.status, str(error), error.retry_s)

    @app.exception_handler(BusyError)
    async def tell_busy(_: Request, error: BusyError) -> JSONResponse:
        said = f"too many images wait already; ask again in {say_count(error.retry_s, 'second')}"
        return respond(503, said, error.retry_s)

    @app.exception_handler(DownError)
    async def tell_down(_: Request, error: DownError) -> JSONResponse:
        return respond(503, str(error), 5)

    @app.exception_handler(ModelError)
    async def tell_failed(_: Request, error: ModelError) -> JSONResponse:
        return respond(500, f"the model failed on this request: {error}")

    @app.exception_handler(RequestValidationError)
    async def tell_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return respond(400, f"{escape(cut(where, 60))}: {escape(cut(first['msg'], 200))}")

    @app.exception_handler(HTTPException)
    async def tell_http(request: Request, error: HTTPException) -> JSONResponse:
        path = escape(cut(request.url.path, 100))
        words = {404: f"there is nothing at {path}", 405: f"{request.method} is not allowed at {path}"}
        response = respond(error.status_code, words.get(error.status_code, str(error.detail)))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def tell_bug(_: Request, __: Exception) -> JSONResponse:
        return respond(500, "something went wrong here; the log of the server says what")
