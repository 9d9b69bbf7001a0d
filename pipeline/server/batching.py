"""Micro-batching: pictures of several requests are answered together, and nobody waits without an end.

While the model is busy, pictures wait in a line. When it is free, it takes as many as a batch holds. Clients
that wait for their answers come back at the same time. So where the last batch held several pictures, the
next one waits for as many, but no longer than a quarter of the time that the last one took. A single client
never waits for others.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

R = TypeVar("R")

MAX_BATCH = 32  # pictures; a network computes so many at a time, however few there are
_WAIT_SHARE = 0.25  # of the time that the last batch took
_MIN_WAIT_S, _MAX_WAIT_S = 0.005, 0.2
_RETRY_S = 1  # at least, until a full line is asked again


class BusyError(Exception):
    """The line is full; `retry_s` says when to come again."""

    def __init__(self, retry_s: int) -> None:
        super().__init__("more pictures wait than may")
        self.retry_s = retry_s


class _Waiting(NamedTuple, Generic[R]):
    picture: bytes
    answer: "asyncio.Future[R]"


class Batcher(Generic[R]):
    """A line of pictures before a model, which answers batches one after the other.

    Args:
        answer: the answers to a batch, in its order.
        max_batch: pictures in a batch.
        max_waiting, max_bytes: what may stand in the line, in pictures and in bytes.
    """

    def __init__(
        self,
        answer: Callable[[list[bytes]], Awaitable[Sequence[R]]],
        *,
        max_batch: int = MAX_BATCH,
        max_waiting: int = 512,
        max_bytes: int = 256 << 20,
    ) -> None:
        self._answer = answer
        self._max_batch, self._max_waiting, self._max_bytes = max_batch, max_waiting, max_bytes
        self._line: deque[_Waiting[R]] = deque()
        self._n_bytes, self._n_last = 0, 1
        self._seconds = self._seconds_each = 0.0  # of the last batch, and of a picture in it
        self._has_come = asyncio.Event()

    @property
    def n_waiting(self) -> int:
        """How many pictures stand in the line."""
        return len(self._line)

    async def ask(self, pictures: Sequence[bytes]) -> list[R]:
        """The answers to the pictures of one request, in order.

        Raises:
            BusyError: the line has no room for them.
            Exception: whatever `answer` raised.
        """
        n_bytes = sum(map(len, pictures))
        is_full = (
            len(self._line) + len(pictures) > self._max_waiting or self._n_bytes + n_bytes > self._max_bytes
        )
        if self._line and is_full:  # whoever comes alone is let in
            raise BusyError(max(_RETRY_S, round(self._seconds_each * len(self._line))))
        loop = asyncio.get_running_loop()
        waiting = [_Waiting[R](picture, loop.create_future()) for picture in pictures]
        self._line += waiting
        self._n_bytes += n_bytes
        self._has_come.set()
        return await asyncio.gather(*(one.answer for one in waiting))

    async def run(self) -> None:
        """Answer what comes, until this is cancelled."""
        try:
            while True:
                await self._gather_batch()
                await self._answer_batch(self._take_batch())
        finally:
            _cancel(self._line)

    async def _gather_batch(self) -> None:
        """Wait for a first picture, and a little for as many as the last batch had."""
        while not self._line:
            await self._wait()
        wanted = min(self._n_last, self._max_batch)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(_WAIT_SHARE * self._seconds, _MIN_WAIT_S), _MAX_WAIT_S)):
                while len(self._line) < wanted:
                    await self._wait()

    async def _wait(self) -> None:
        self._has_come.clear()
        await self._has_come.wait()

    def _take_batch(self) -> list[_Waiting[R]]:
        batch = [self._line.popleft() for _ in range(min(len(self._line), self._max_batch))]
        self._n_bytes -= sum(len(one.picture) for one in batch)
        self._n_last = len(batch)
        return [one for one in batch if not one.answer.done()]  # nobody waits for the others any more

    async def _answer_batch(self, batch: list[_Waiting[R]]) -> None:
        start = time.monotonic()
        try:
            answers = await self._answer([one.picture for one in batch]) if batch else ()
        except Exception as error:  # noqa: BLE001 - each request says what went wrong
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(error)
        else:
            for one, answer in zip(batch, answers, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)
            self._seconds = time.monotonic() - start
            self._seconds_each = self._seconds / max(len(batch), 1)
        finally:
            _cancel(batch)


def _cancel(waiting: Iterable[_Waiting[Any]]) -> None:
    for one in waiting:
        one.answer.cancel()  # which changes nothing where it is done
