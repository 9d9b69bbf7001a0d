"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a pipe; or silence."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
LINE_EVERY_S = 10.0

_log = logging.getLogger(__name__)


def track(items: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    """Yield `items` and show the progress under the title `what`; `total` items (None: not known)."""
    return _bar(items, total, what) if sys.stderr.isatty() else _lines(items, total, what)


@contextmanager
def silence_log(name: str, *, up_to: int) -> Iterator[None]:
    """Drop what a logger says up to a level, such as `logging.INFO`, inside the block."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(up_to + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def _bar(items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(items, total=total, description=what)


def _lines(items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            _log.info("%s: %s", what, _describe(done, total, now - start))


def _describe(done: int, total: int | None, elapsed_s: float) -> str:
    rate = done / elapsed_s
    if total is None:
        return f"{done:,} done, {rate:,.0f}/s"
    return f"{done:,} of {total:,}, {rate:,.0f}/s, {(total - done) / rate:,.0f} s left"
