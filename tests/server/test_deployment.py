"""A version answers, another takes its place, a process dies: no request is lost."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import ModelError, TrackingError
from pipeline.server import deployment as module
from pipeline.server.deployment import Candidate, Deployment, DownError, Process
from tests.server.conftest import StandIn, offer


class Registry:
    """It names one version, or says why it cannot."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.fault: Exception | None = None

    def find(self) -> Candidate:
        if self.fault:
            raise self.fault
        return self.candidate


def fail() -> Process:
    raise ModelError("it is not as it was registered")


def open_with(process: StandIn) -> tuple[Registry, Deployment]:
    registry = Registry(offer(process))
    deployment = Deployment(registry.find)
    deployment.open()
    return registry, deployment


def test_the_first_version_has_answered_before_anybody_asks() -> None:
    process = StandIn()
    _, deployment = open_with(process)
    assert process.batches == [1], "it is warm"
    assert deployment.running.about.title == "m version 1"
    deployment.close()
    assert process.is_closed


def test_a_first_version_that_cannot_start_is_the_error_of_the_command() -> None:
    with pytest.raises(ModelError, match="not as it was registered"):
        Deployment(lambda: offer(StandIn(), start=fail)).open()
    with pytest.raises(DownError, match="not loaded yet"):
        Deployment(fail).running  # type: ignore[arg-type]  # noqa: B018


def test_a_process_that_fails_its_first_picture_is_closed() -> None:
    process = StandIn()
    process.deaths = 1
    with pytest.raises(ModelError):
        Deployment(lambda: offer(process)).open()
    assert process.is_closed


def test_a_new_version_answers_and_the_old_one_finishes_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    old, new = StandIn("old"), StandIn("new")
    registry, deployment = open_with(old)

    async def story() -> None:
        old.may_go_on.clear()
        in_hand = asyncio.create_task(deployment.answer([b"a"]))
        while not deployment.running.lock.locked():
            await asyncio.sleep(0)
        registry.candidate = offer(new, 2)
        change = asyncio.create_task(deployment.look())
        while deployment.n_changes == 0:
            await asyncio.sleep(0.001)
        ((_, running),) = await deployment.answer([b"b"])
        assert running.about.version == 2
        assert not old.is_closed, "it has a batch in hand"
        old.may_go_on.set()
        ((row, running),) = await in_hand
        assert (row["class"], running.about.version) == ("a", 1)
        await change
        assert old.is_closed
        assert new.batches == [1, 1], "warm before its first request"

    asyncio.run(story())
    assert "m version 2 answers from now on, in place of m version 1" in caplog.text


def test_the_same_version_is_not_started_again() -> None:
    process = StandIn()
    _, deployment = open_with(process)
    asyncio.run(deployment.look())
    assert (process.batches, deployment.n_changes) == ([1], 0)


@pytest.mark.parametrize("fault", [TrackingError("it is away"), None])
def test_what_cannot_be_had_leaves_the_old_version_and_is_said_once(
    fault: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    old = StandIn("old")
    registry, deployment = open_with(old)
    n_starts = []

    def start() -> Process:
        n_starts.append(1)
        return fail()

    registry.fault, registry.candidate = fault, offer(StandIn("new"), 2, start=start)
    for _ in range(3):
        asyncio.run(deployment.look())
    assert deployment.running.about.version == 1
    assert len(caplog.messages) == 1
    assert (
        "it is away" if fault else "m version 1 stays: it is not as it was registered"
    ) in deployment.problem
    assert len(n_starts) == (0 if fault else 1), "it is not tried again and again"
    registry.fault, registry.candidate = None, offer(old)
    asyncio.run(deployment.look())
    assert deployment.problem == ""


def test_a_process_that_ends_is_replaced_and_asked_again() -> None:
    first, second = StandIn(), StandIn()
    starts = iter([first, second])
    deployment = Deployment(lambda: offer(first, start=lambda: next(starts)))
    deployment.open()
    first.deaths = 1
    ((row, _),) = asyncio.run(deployment.answer([b"a"]))
    assert (row["class"], deployment.n_restarts, first.is_closed) == ("a", 1, True)


def test_one_that_ended_between_two_requests_is_replaced_before_the_next() -> None:
    first, second = StandIn(), StandIn()
    starts = iter([first, second])
    deployment = Deployment(lambda: offer(first, start=lambda: next(starts)))
    deployment.open()
    first.is_alive = False
    asyncio.run(deployment.answer([b"a"]))
    assert second.batches == [1, 1]


def test_a_request_that_ends_two_processes_is_refused() -> None:
    starts = [StandIn(), StandIn()]
    starting = iter(starts)

    def start() -> StandIn:
        process = next(starting)
        if process is starts[1]:
            process.batches.append(0)
        return process

    deployment = Deployment(lambda: offer(starts[0], start=start))
    deployment.open()
    starts[0].deaths = 1

    class Dies(StandIn):
        pass

    def die(pictures: list[bytes]) -> list[Any]:
        if pictures == [b"kill"]:
            starts[1].is_alive = False
            raise ModelError("its process ended with -9")
        return []

    starts[1].ask = die  # type: ignore[method-assign]
    with pytest.raises(DownError, match="ended twice"):
        asyncio.run(deployment.answer([b"kill"]))


def test_one_that_cannot_be_replaced_is_not_tried_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    process = StandIn()
    n_starts: list[int] = []

    def start() -> Process:
        n_starts.append(1)
        return process if len(n_starts) == 1 else fail()

    deployment = Deployment(lambda: offer(process, start=start))
    deployment.open()
    process.is_alive = False
    for _ in range(3):
        with pytest.raises(DownError):
            asyncio.run(deployment.answer([b"a"]))
    assert len(n_starts) == 2
    monkeypatch.setattr(module, "_RESTART_PAUSE_S", 0)
    with pytest.raises(DownError, match="cannot be started again; see the log"):
        asyncio.run(deployment.answer([b"a"]))
    assert len(n_starts) == 3


def test_an_error_of_the_model_is_no_death() -> None:
    process = StandIn()
    _, deployment = open_with(process)
    with pytest.raises(ModelError, match="ValueError"):
        asyncio.run(deployment.answer([b"bug"]))
    assert (deployment.n_restarts, process.is_closed) == (0, False)


def test_it_looks_again_and_again_until_it_ends() -> None:
    looked: list[int] = []
    process = StandIn()

    def find() -> Candidate:
        looked.append(1)
        return offer(process)

    deployment = Deployment(find)
    deployment.open()

    async def story() -> None:
        watching = asyncio.create_task(deployment.watch(0.001))
        while len(looked) < 4:
            await asyncio.sleep(0.001)
        watching.cancel()

    asyncio.run(story())


def test_explaining_waits_its_turn() -> None:
    _, deployment = open_with(StandIn())
    found, running = asyncio.run(deployment.explain(b"x", "b"))
    assert (found["class"], running.about.version) == ("b", 1)


_: Callable[[], Process] = fail
