"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a pipe; or silence."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
LINE_EVERY_S = 10.0
_LEAST_TOLD_S = 0.05

_log = logging.getLogger(__name__)


def track(items: Iterable[T], *, total: int | None, what: str | Callable[[], str]) -> Iterator[T]:
    """Yield `items` and show the progress under a title; `total` items (None: not known).

    Args:
        what: the title; or what gives it, asked again after each item.
    """
    title = what if callable(what) else lambda: what
    return _bar(items, total, title) if sys.stderr.isatty() else _lines(items, total, title)


@contextmanager
def log_time(what: str) -> Iterator[None]:
    """Say in the log how many seconds the block took; nothing where it took none."""
    start = time.monotonic()
    yield
    if (took_s := time.monotonic() - start) >= _LEAST_TOLD_S:
        _log.info("%s: %.1f s", what, took_s)


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


def _bar(items: Iterable[T], total: int | None, title: Callable[[], str]) -> Iterator[T]:
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
            return Text(_describe_rate(task.finished_speed or task.speed or 0))

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title(), total=total)
        for item in items:
            yield item
            progress.update(task, advance=1, description=title())


def _lines(items: Iterable[T], total: int | None, title: Callable[[], str]) -> Iterator[T]:
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            _log.info("%s: %s", title(), _describe(done, total, now - start))


def _describe(done: int, total: int | None, elapsed_s: float) -> str:
    rate = done / elapsed_s
    if total is None:
        return f"{done:,} done, {_describe_rate(rate)}"
    return f"{done:,} of {total:,}, {_describe_rate(rate)}, {(total - done) / rate:,.0f} s left"


def _describe_rate(rate: float) -> str:
    """Items a second; seconds an item where they are slow."""
    return f"{rate:,.0f}/s" if rate >= 1 or not rate else f"{1 / rate:,.1f} s each"
