"""Progress: every item comes through, lines in a pipe, a bar on a terminal."""

import io
import logging
import sys

import pytest

from pipeline.progress import log_time, silence_log, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands 4 s later each time it is read."""
    now = iter(range(0, 10_000, 4))
    monkeypatch.setattr("pipeline.progress.time.monotonic", lambda: float(next(now)))


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize(
    ("total", "expected"),
    [
        pytest.param(
            8,
            ["eggs: 3 of 8, 4.0 s each, 20 s left", "eggs: 6 of 8, 4.0 s each, 8 s left"],
            id="with-the-time-left",
        ),
        pytest.param(None, ["eggs: 3 done, 4.0 s each", "eggs: 6 done, 4.0 s each"], id="without-a-total"),
    ],
)
def test_a_pipe_gets_a_line_every_ten_seconds(
    total: int | None, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="pipeline.progress"):
        assert list(track(iter(range(8)), total=total, what="eggs")) == list(range(8))
    assert caplog.messages == expected


def test_quick_work_says_nothing_in_a_pipe(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="pipeline.progress"):
        assert list(track([1, 2], total=2, what="eggs")) == [1, 2]
    assert caplog.messages == []


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(track(iter("abc"), total=3, what="eggs")) == ["a", "b", "c"]
    assert "eggs" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


@pytest.mark.parametrize(
    "stream", [pytest.param(io.StringIO(), id="pipe"), pytest.param(Terminal(), id="bar")]
)
def test_a_fault_in_the_work_comes_through(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(ZeroDivisionError):
        list(track((1 // n for n in (1, 0)), total=2, what="eggs"))


def test_a_logger_is_silent_up_to_a_level_and_speaks_again(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("silent")
    with caplog.at_level(logging.INFO):
        with silence_log("silent", up_to=logging.INFO):
            log.info("dropped")
            log.warning("heard")
        log.info("again")
    assert caplog.messages == ["heard", "again"]


@pytest.mark.usefixtures("ticking")
def test_the_time_of_a_part_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    @log_time("eggs")
    def boil() -> str:
        return "done"

    with caplog.at_level(logging.INFO, logger="pipeline.progress"):
        assert boil() == boil() == "done"
    assert [record.message for record in caplog.records] == ["eggs: 4.0 s", "eggs: 4.0 s"]


def test_what_took_no_time_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="pipeline.progress"), log_time("eggs"):
        pass
    assert caplog.records == []
