"""The routes of the server: pictures in, answers out; the page; and what machines ask of a server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from pipeline.characters import cut, escape
from pipeline.server.answers import (
    Answer,
    Answers,
    Health,
    Heat,
    ModelCard,
    Problem,
    Ready,
    Unusable,
    name_model,
    read_row,
)
from pipeline.server.batching import MAX_BATCH, Batcher, BusyError
from pipeline.server.counters import Counters
from pipeline.server.deployment import Deployment, Row, Running
from pipeline.server.error_answers import add_error_answers
from pipeline.server.guard import Guard, Rules
from pipeline.server.uploads import MAX_IMAGES, Intake, RefusedError, describe_body

_PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request is not as it should be."},
    401: {"model": Problem, "description": "The token is missing or wrong."},
    403: {"model": Problem, "description": "Asked under another address."},
    408: {"model": Problem, "description": "The body came too slowly."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {"model": Problem, "description": "The body is of another type."},
    500: {"model": Problem, "description": "The model failed, or the server."},
    503: {"model": Problem, "description": "Too many wait, or the model does not run; see Retry-After."},
}
_KEPT_OUT: dict[int | str, dict[str, Any]] = {code: _REFUSALS[code] for code in (401, 403)}
_HEAT_DIGITS = 4  # float32 with four digits has more as a float
_MAX_EXPLAINING = 4  # heat-maps that wait at a time
_MAX_CLASS = 200  # characters


@dataclass(frozen=True)
class Terms:
    """On which terms the server answers.

    Attributes:
        max_bytes: of a request.
        max_batch: pictures that are answered together; 1: one at a time.
        token: "": none is asked for.
        hosts: the names under which it may be asked; None: any.
        poll_s: seconds between two looks for another version; 0: it never looks.
    """

    max_bytes: int
    max_batch: int = MAX_BATCH
    token: str = ""
    hosts: frozenset[str] | None = None
    poll_s: float = 5.0


class Server:
    """What the routes share."""

    def __init__(self, deployment: Deployment, terms: Terms) -> None:
        self.deployment, self.terms = deployment, terms
        self.counters = Counters()
        self.intake = Intake(terms.max_bytes)
        self.batcher = Batcher[tuple[Row, Running]](self._answer_batch, max_batch=terms.max_batch)
        self._n_explaining = 0

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Answer batches and look for other versions, while the server runs."""
        works = [self.batcher.run()]
        works += [self.deployment.watch(self.terms.poll_s)] if self.terms.poll_s else []
        async with AsyncExitStack() as stack:
            for work in works:
                stack.push_async_callback(_end, asyncio.create_task(work))
            yield

    async def predict(self, request: Request) -> Any:
        """The answers to the images of a request."""
        uploads = await self.intake.read_uploads(request)
        said = await self.batcher.ask([upload.data for upload in uploads])
        answers = [
            read_row(row, running.process.class_names, upload.name)
            for upload, (row, running) in zip(uploads, said, strict=True)
        ]
        self._count(answers)
        model = name_model(said[-1][1].about)
        if all(answer.reason for answer in answers):
            detail = f"no image can be used: {answers[0].reason}"
            unusable = Unusable(model=model, answers=answers, detail=detail)
            return JSONResponse(unusable.model_dump(by_alias=True), 422)
        return Answers(model=model, answers=answers)

    async def explain(self, request: Request, class_name: str) -> Heat:
        """What in one image spoke for a class ("": the likeliest)."""
        uploads = await self.intake.read_uploads(request)
        if len(uploads) > 1:
            raise RefusedError(400, f"one image at a time is explained, got {len(uploads)}")
        classes = self.deployment.running.process.class_names
        if class_name and class_name not in classes:
            some = ", ".join(classes[:10])
            raise RefusedError(
                400, f"{cut(escape(class_name), 60)!r} is no class of the model; allowed: {some}"
            )
        if self._n_explaining >= _MAX_EXPLAINING:
            raise BusyError(1)
        self._n_explaining += 1
        try:
            found, running = await self.deployment.explain(uploads[0].data, class_name)
        finally:
            self._n_explaining -= 1
        if reason := found.get("reason"):
            raise RefusedError(422, escape(reason))
        heat = [[round(value, _HEAT_DIGITS) for value in row] for row in found["heat"]]
        return Heat.model_validate({**found, "model": name_model(running.about), "heat": heat})

    async def _answer_batch(self, pictures: list[bytes]) -> list[tuple[Row, Running]]:
        self.counters.count_batch(len(pictures))
        return await self.deployment.answer(pictures)

    def _count(self, answers: Sequence[Answer]) -> None:
        refused = sum(1 for one in answers if one.reason)
        review = sum(1 for one in answers if one.review)
        self.counters.count_images(answered=len(answers) - refused - review, review=review, refused=refused)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def make_app(deployment: Deployment, terms: Terms) -> Any:
    """The ASGI application; `deployment` is open, and its owner closes it."""
    server = Server(deployment, terms)
    app = FastAPI(
        title="Darkroom",
        description="Classes of images. Images go to `/predict`; the page at `/` does the same by hand.",
        version="1",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    _add_answering(app, server)
    _add_telling(app, server)
    _add_page(app)
    add_error_answers(app)
    paths = {str(getattr(route, "path", "")) for route in app.routes}
    rules = Rules(terms.token, terms.hosts, paths)
    return Guard(app, rules, run=server.run, count=server.counters.count_request)


def _add_answering(app: FastAPI, server: Server) -> None:
    body = {"requestBody": describe_body()}

    @app.post(
        "/predict",
        responses={**_REFUSALS, 422: {"model": Unusable, "description": "No image can be used."}},
        response_model=Answers,
        openapi_extra=body,
        summary="The classes of one or several images",
    )
    async def predict(request: Request) -> Any:
        return await server.predict(request)

    @app.post(
        "/explain",
        responses={**_REFUSALS, 422: {"model": Problem, "description": "There is no heat-map."}},
        openapi_extra=body,
        summary="What in an image spoke for a class",
    )
    async def explain(
        request: Request,
        class_name: Annotated[
            str, Query(alias="class", max_length=_MAX_CLASS, description="By default the likeliest.")
        ] = "",
    ) -> Heat:
        return await server.explain(request, class_name)


def _add_telling(app: FastAPI, server: Server) -> None:
    @app.get("/health", responses={403: _REFUSALS[403]}, summary="Whether the server runs")
    async def health() -> Health:
        return Health(status="ok")

    @app.get(
        "/ready",
        responses={403: _REFUSALS[403], 503: {"model": Ready, "description": "The model does not run."}},
        response_model=Ready,
        summary="Whether a model answers",
    )
    async def ready() -> Any:
        running, problem = server.deployment.running, server.deployment.problem
        is_ready = running.process.is_alive
        said = problem or (
            None if is_ready else "the process of the model ended; the next request starts it again"
        )
        told = Ready(ready=is_ready, model=running.about.title, problem=said)
        return told if is_ready else JSONResponse(told.model_dump(), 503)

    @app.get("/model", responses=_KEPT_OUT, summary="The version that answers, and its model card")
    async def model() -> ModelCard:
        running = server.deployment.running
        about = running.about
        return ModelCard(
            name=about.name,
            version=about.version,
            title=about.title,
            classes=list(running.process.class_names),
            max_bytes=server.terms.max_bytes,
            max_images=MAX_IMAGES,
            card=dict(about.card) if about.card is not None else None,
        )

    @app.get(
        "/metrics", responses=_KEPT_OUT, response_class=PlainTextResponse, summary="Numbers for Prometheus"
    )
    async def metrics() -> Response:
        deployment = server.deployment
        about = deployment.running.about
        text = server.counters.render(
            n_waiting=server.batcher.n_waiting,
            name=about.name,
            version=about.version,
            n_changes=deployment.n_changes,
            n_restarts=deployment.n_restarts,
        )
        return Response(text, media_type="text/plain; version=0.0.4")


def _add_page(app: FastAPI) -> None:
    for path, (name, kind) in _PAGE.items():
        content = files(__package__).joinpath("page", name).read_bytes()

        app.add_route(path, partial(_show, content, kind), methods=["GET", "HEAD"], include_in_schema=False)


async def _show(content: bytes, kind: str, _: Request) -> Response:
    return Response(content, media_type=kind)
