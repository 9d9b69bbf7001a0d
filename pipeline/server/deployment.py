"""Which version answers, and how the next one takes its place without a request being lost.

The process of the next version is started and has answered a picture before the first request reaches it. The
one before it finishes what it has in hand. The old one stays where it cannot be loaded.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import DarkroomError, ModelError

T = TypeVar("T")
Row = dict[str, Any]

_RESTART_PAUSE_S = 5.0  # after a process could not be started again
_SIDE_PX = 64  # of the grey picture with which the process of a new version warms up

_log = logging.getLogger(__name__)


class DownError(Exception):
    """No process of the model runs at the moment; the message is for people."""


class Process(Protocol):
    """What answers for one version: `serving.model_process.ModelProcess`."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the columns of the answers."""

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""

    def ask(self, pictures: list[bytes]) -> list[Row]:
        """A row a picture."""

    def explain(self, picture: bytes, class_name: str) -> dict[str, Any]:
        """What in a picture spoke for a class."""

    def close(self) -> None:
        """End the process."""


@dataclass(frozen=True)
class About:
    """What is known of a version.

    Attributes:
        name: of the registered model, or the folder of a classifier.
        version: its number in the registry; None where it is none of the registry's.
        title: all of it in one line.
        card: the model card; None where there is none.
    """

    name: str
    version: int | None
    title: str
    card: Mapping[str, Any] | None = None


class Candidate(NamedTuple):
    """A version that may answer.

    Attributes:
        key: equal keys are the same model; it is not started again.
        about: asks what is known of it.
        start: starts its process; raises DarkroomError.
    """

    key: object
    about: Callable[[], About]
    start: Callable[[], Process]


@dataclass
class Running:
    """A version with its process; `lock` is held by whoever asks the process."""

    candidate: Candidate
    about: About
    process: Process
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    failed_at: float = float("-inf")


class Deployment:
    """The version that answers now.

    Args:
        find: names the version that should answer; raises DarkroomError.
    """

    def __init__(self, find: Callable[[], Candidate]) -> None:
        self._find = find
        self._running: Running | None = None
        self._refused: object = None  # the key of a version that could not be started
        self.problem = ""  # why another version than this one should answer, and does not
        self.n_changes = self.n_restarts = 0

    @property
    def running(self) -> Running:
        """The version that answers."""
        if self._running is None:
            raise DownError("the model is not loaded yet")
        return self._running

    def open(self) -> None:
        """Start the first version. Raises DarkroomError if it cannot be."""
        self._running = _start(self._find())

    def close(self) -> None:
        """End the process of the version that answers."""
        if self._running is not None:
            self._running.process.close()

    async def answer(self, pictures: list[bytes]) -> list[tuple[Row, Running]]:
        """A row a picture, with the version that it comes from. Raises DownError, ModelError."""
        rows, running = await self._use(lambda process: process.ask(pictures))
        return [(row, running) for row in rows]

    async def explain(self, picture: bytes, class_name: str) -> tuple[dict[str, Any], Running]:
        """What in a picture spoke for a class ("": the likeliest). Raises DownError, ModelError."""
        return await self._use(lambda process: process.explain(picture, class_name))

    async def watch(self, every_s: float) -> None:
        """Look for another version again and again, until this is cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()

    async def look(self) -> None:
        """Let another version answer if one should; what goes wrong is logged, once, and is in `problem`."""
        try:
            found = await asyncio.to_thread(self._find)
        except DarkroomError as error:
            self._tell(f"which version should answer is not known: {error}")
            return
        if found.key == self.running.candidate.key:
            self.problem, self._refused = "", None
        elif found.key != self._refused:
            await self._change_to(found)

    async def _change_to(self, found: Candidate) -> None:
        try:
            following = await asyncio.to_thread(_start, found)
        except DarkroomError as error:
            self._refused = found.key
            self._tell(f"a newer version cannot be loaded, so {self.running.about.title} stays: {error}")
            return
        before, self._running = self.running, following
        self.problem, self._refused = "", None
        self.n_changes += 1
        _log.info("%s answers from now on, in place of %s", following.about.title, before.about.title)
        async with before.lock:  # whoever came before stands before us
            await asyncio.to_thread(before.process.close)

    async def _use(self, do: Callable[[Process], T]) -> tuple[T, Running]:
        """What a process says, with its version. One that ended is replaced, and asked once more."""
        running = self.running
        async with running.lock:
            if not running.process.is_alive:
                await self._restart(running)
            try:
                return await asyncio.to_thread(do, running.process), running
            except ModelError as error:
                if running.process.is_alive:
                    raise
                _log.warning("%s", error)
            await self._restart(running)
            try:
                return await asyncio.to_thread(do, running.process), running
            except ModelError as error:
                _log.error("%s", error)
                raise DownError("the process of the model ended twice on this request; see the log") from None

    async def _restart(self, running: Running) -> None:
        if time.monotonic() < running.failed_at + _RESTART_PAUSE_S:
            raise DownError(
                "the process of the model ended, and cannot be started again yet; ask again later"
            )
        self.n_restarts += 1
        await asyncio.to_thread(running.process.close)
        try:
            running.process = await asyncio.to_thread(_start_warm, running.candidate)
        except DarkroomError as error:
            running.failed_at = time.monotonic()
            _log.error("the process of the model cannot be started again: %s", error)
            raise DownError(
                "the process of the model ended and cannot be started again; see the log"
            ) from None
        _log.warning("the process of %s had ended, and was started again", running.about.title)

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            _log.warning("%s", problem)
        self.problem = problem


def _start(candidate: Candidate) -> Running:
    return Running(candidate, candidate.about(), _start_warm(candidate))


def _start_warm(candidate: Candidate) -> Process:
    """A process that has answered a picture. Raises DarkroomError."""
    process = candidate.start()
    try:
        process.ask([encode_grey_png([bytes([128] * _SIDE_PX)] * _SIDE_PX)])
    except BaseException:
        process.close()
        raise
    return process
