"""Micro-batching: who waits, with whom, and who is sent away."""

import asyncio
from collections.abc import Sequence

import pytest

from pipeline.server.batching import Batcher, BusyError


class Model:
    """It answers when it may, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.may_answer = asyncio.Event()

    async def answer(self, pictures: list[bytes]) -> Sequence[bytes]:
        self.batches.append(pictures)
        await self.may_answer.wait()
        if b"bug" in pictures:
            raise ValueError("a bug")
        return pictures


def test_what_comes_while_the_model_is_busy_is_answered_together() -> None:
    async def story() -> None:
        model = Model()
        batcher = Batcher(model.answer, max_batch=3)
        run = asyncio.create_task(batcher.run())
        asked = [asyncio.create_task(batcher.ask([b"0"]))]
        while not model.batches:
            await asyncio.sleep(0)
        asked += [
            asyncio.create_task(batcher.ask([b"1", b"2"])),
            asyncio.create_task(batcher.ask([b"3", b"4"])),
        ]
        await asyncio.sleep(0)
        assert batcher.n_waiting == 4
        model.may_answer.set()
        assert await asyncio.gather(*asked) == [[b"0"], [b"1", b"2"], [b"3", b"4"]]
        assert model.batches == [[b"0"], [b"1", b"2", b"3"], [b"4"]]
        run.cancel()

    asyncio.run(story())


def test_the_next_batch_waits_for_as_many_as_the_last_one_had() -> None:
    async def story() -> None:
        model = Model()
        model.may_answer.set()
        batcher = Batcher(model.answer)
        run = asyncio.create_task(batcher.run())

        async def be_a_client() -> None:
            for _ in range(5):
                await batcher.ask([b"x"])

        await asyncio.gather(*(be_a_client() for _ in range(4)))
        assert [len(batch) for batch in model.batches] == [4] * 5
        run.cancel()

    asyncio.run(story())


def test_a_full_line_sends_away_and_says_when_to_come_again() -> None:
    async def story() -> None:
        batcher = Batcher(Model().answer, max_waiting=2, max_bytes=10)
        first = asyncio.create_task(batcher.ask([b"1"]))
        await asyncio.sleep(0)
        with pytest.raises(BusyError) as busy:
            await batcher.ask([b"2", b"3"])
        assert busy.value.retry_s >= 1
        with pytest.raises(BusyError):
            await batcher.ask([bytes(10)])
        assert batcher.n_waiting == 1
        first.cancel()

    asyncio.run(story())


def test_a_request_larger_than_the_line_is_let_in_alone() -> None:
    async def story() -> None:
        model = Model()
        model.may_answer.set()
        batcher = Batcher(model.answer, max_waiting=2, max_batch=2)
        run = asyncio.create_task(batcher.run())
        assert len(await batcher.ask([b"x"] * 5)) == 5
        run.cancel()

    asyncio.run(story())


def test_a_failure_is_that_of_its_batch_and_the_next_one_is_answered() -> None:
    async def story() -> None:
        model = Model()
        model.may_answer.set()
        batcher = Batcher(model.answer)
        run = asyncio.create_task(batcher.run())
        with pytest.raises(ValueError, match="a bug"):
            await batcher.ask([b"bug", b"other"])
        assert await batcher.ask([b"x"]) == [b"x"]
        run.cancel()

    asyncio.run(story())


def test_whoever_went_away_is_not_answered() -> None:
    async def story() -> None:
        model = Model()
        batcher = Batcher(model.answer)
        gone = asyncio.create_task(batcher.ask([b"gone"]))
        stays = asyncio.create_task(batcher.ask([b"stays"]))
        await asyncio.sleep(0)
        gone.cancel()
        model.may_answer.set()
        run = asyncio.create_task(batcher.run())
        assert await stays == [b"stays"]
        assert model.batches == [[b"stays"]]
        run.cancel()

    asyncio.run(story())


def test_nobody_is_left_waiting_when_it_ends() -> None:
    async def story() -> None:
        model = Model()
        batcher = Batcher(model.answer, max_batch=1)
        run = asyncio.create_task(batcher.run())
        asked = [asyncio.create_task(batcher.ask([b"x"])) for _ in range(2)]
        while not model.batches:
            await asyncio.sleep(0)
        run.cancel()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in results)

    asyncio.run(story())
