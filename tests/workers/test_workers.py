"""The ordered map in worker processes: order, bounds, faults, and no process left behind."""

import contextlib
import errno
import functools
import json
import math
import operator
import os
import random
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pipeline import workers
from pipeline.errors import ParamsError, WorkersError
from pipeline.workers import (
    WORKERS_VARIABLE,
    Crew,
    chunks,
    count_workers,
    ordered_map,
    process,
    warn_if_killed,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses before another try are short."""
    monkeypatch.setattr(process, "PAUSES_S", (0.05, 0.1, 0.1))
    monkeypatch.setattr(process, "_LAST_WORDS_S", 0.3)
    monkeypatch.setattr(chunks, "PAUSES_ALONE_S", (0.05, 0.1))


def number_items(n: int) -> Iterator[tuple[str, int]]:
    return ((f"ticket {i}", i) for i in range(n))


def measure(_: object) -> int:
    return 1


@pytest.mark.parametrize("n_workers", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 64, 1000])
def test_results_come_in_order_with_their_tickets(n_workers: int, n: int) -> None:
    results = ordered_map(math.sqrt, number_items(n), n_bytes=measure, n_workers=n_workers)
    assert list(results) == [(f"ticket {i}", math.sqrt(i)) for i in range(n)]


def test_no_process_starts_for_what_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [(i, i % 10) for i in range(100)]
    found = list(ordered_map(abs, items, n_bytes=lambda _: 1, chunk_items=7, is_idle=lambda item: item == 0))
    assert [ticket for ticket, _ in found] == list(range(100))
    assert [result for _, result in found if result] == [item for _, item in items if item]
    monkeypatch.setattr(workers, "Worker", lambda *_: pytest.fail("a process was started"))
    idle = ordered_map(abs, items, n_bytes=lambda _: 1, chunk_items=7, is_idle=lambda _: True)
    assert [ticket for ticket, _ in idle] == list(range(100))


def test_work_is_done_in_other_processes() -> None:
    getpid = functools.partial(eval, "__import__('os').getpid()")
    items = ((i, {"i": i}) for i in range(40))
    pids = {pid for _, pid in ordered_map(getpid, items, n_bytes=measure, chunk_items=1, n_workers=2)}
    assert os.getpid() not in pids
    assert len(pids) == 2


@pytest.mark.parametrize(
    ("item_bytes", "chunk_items"),
    [pytest.param(1, 10, id="by items"), pytest.param(2 << 20, 64, id="by bytes")],
)
def test_reading_ahead_is_bounded(item_bytes: int, chunk_items: int) -> None:
    taken = 0

    def items() -> Iterator[tuple[int, int]]:
        nonlocal taken
        for taken in range(10_000):
            yield taken, taken

    results = ordered_map(
        operator.neg, items(), n_bytes=lambda _: item_bytes, chunk_items=chunk_items, n_workers=2
    )
    next(results)
    assert taken <= 60
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_bug_in_the_function_comes_back(n_workers: int) -> None:
    items = ((i, 5 - i) for i in range(100))
    with pytest.raises(ValueError, match="math domain error") as caught:
        list(ordered_map(math.sqrt, items, n_bytes=measure, n_workers=n_workers))
    assert "Traceback" in caught.value.__notes__[0]


def test_a_fault_of_the_source_comes_back() -> None:
    def items() -> Iterator[tuple[int, float]]:
        yield 1, 1.0
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(ordered_map(math.sqrt, items(), n_bytes=measure, n_workers=2))


# What may happen to a worker at item 3: code that `eval` runs there, and what is said of the item.
ENDS = [
    pytest.param("__import__('os').abort()", r"crashed its process \(SIGABRT\)", id="a crash"),
    pytest.param("__import__('os').kill(__import__('os').getpid(), 9)", "memory runs out", id="killed"),
    pytest.param("__import__('os')._exit(3)", "ended its process with 3", id="an exit"),
    pytest.param("sum(range(10**12))", "longer than 0.05 s of computing time", id="a loop in C"),
    pytest.param("__import__('time').sleep(60)", "longer than 1 s by the clock", id="a wait"),
]


@pytest.mark.parametrize(("code", "words"), ENDS)
@pytest.mark.parametrize("n_workers", [1, 2])
def test_what_ends_a_worker_costs_one_item(code: str, words: str, n_workers: int) -> None:
    work = functools.partial(eval, f"{code} if i == 3 else i")
    items = ((f"ticket {i}", {"i": i}) for i in range(20))
    results = ordered_map(
        work,
        items,
        n_bytes=measure,
        chunk_items=8,
        n_workers=n_workers,
        max_seconds=0.05,
        lost=lambda item, why: (item["i"], why),
    )
    found = dict(results)
    assert list(found) == [f"ticket {i}" for i in range(20)]
    lost = found.pop("ticket 3")
    assert lost[0] == 3
    assert re.search(words, lost[1])
    assert list(found.values()) == [i for i in range(20) if i != 3]


def test_every_item_of_a_chunk_may_be_lost() -> None:
    work = functools.partial(eval, "__import__('os').abort()")
    items: list[tuple[int, dict[str, int]]] = [(i, {}) for i in range(4)]
    lost = ordered_map(work, items, n_bytes=measure, n_workers=1, lost=lambda _, why: why)
    assert [why[-9:] for _, why in lost] == ["(SIGABRT)"] * 4


def test_time_is_for_an_item_and_not_for_a_chunk() -> None:
    busy = functools.partial(
        eval, "[t() for t in [__import__('time').process_time] for _ in range(10**5)][-1]"
    )
    items: list[tuple[int, dict[str, int]]] = [(i, {}) for i in range(20)]
    times = [t for _, t in ordered_map(busy, items, n_bytes=measure, n_workers=1, max_seconds=0.4)]
    assert times[-1] > 0.5
    assert all(isinstance(t, float) for t in times)


def test_a_worker_that_dies_is_an_error_where_nothing_may_be_lost() -> None:
    with pytest.raises(RuntimeError, match="ended its process with 3"):
        list(ordered_map(os._exit, [("a", 3)], n_bytes=measure, n_workers=2))


def test_a_worker_that_cannot_start_loses_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(WorkersError, match="ended with 1 at its start; close other programs") as caught:
        list(ordered_map(abs, [("a", 3)], n_bytes=measure, n_workers=1, lost=lambda _, why: 0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_system_that_starts_no_process_is_one_line(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WorkersError, match=f"{os.strerror(number)}; close other programs"):
        list(ordered_map(abs, number_items(9), n_bytes=measure, n_workers=2))


def test_a_worker_that_was_killed_at_its_start_is_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first three fall at once, by what stands for a lack of memory; then there is enough again."""
    python, count = tmp_path / "python", tmp_path / "count"
    code = f'echo >> {count}\n[ "$(wc -l < {count})" -gt 3 ] || kill -9 $$\nexec {sys.executable} "$@"\n'
    python.write_text(f"#!/bin/sh\n{code}")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    found = list(ordered_map(abs, number_items(200), n_bytes=measure, n_workers=2))
    assert found == list(number_items(200))


def kill_at_first(count: int, folder: str, item: int) -> int:
    """The worker of item 3 is killed from outside until it was killed `count` times."""
    if item == 3:
        tries = Path(folder) / "tries"
        with tries.open("a") as file:
            file.write(f"{os.getpid()} ")
        if len(tries.read_text().split()) <= count:
            os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.parametrize(("count", "n_workers"), [(1, 3), (2, 1), (3, 3)])
def test_what_is_killed_from_outside_for_a_while_costs_nothing(
    count: int, n_workers: int, tmp_path: Path
) -> None:
    work = functools.partial(kill_at_first, count, str(tmp_path))
    found = ordered_map(
        work, number_items(500), n_bytes=measure, chunk_items=4, n_workers=n_workers, lost=lambda *_: -1
    )
    assert list(found) == list(number_items(500))
    assert len((tmp_path / "tries").read_text().split()) == count + 1


def test_what_is_killed_even_alone_is_given_up_with_that_reason(tmp_path: Path) -> None:
    work = functools.partial(kill_at_first, 99, str(tmp_path))
    found = dict(ordered_map(work, number_items(20), n_bytes=measure, n_workers=2, lost=lambda _, why: why))
    assert found["ticket 3"] == "its process was killed, as happens when memory runs out"
    assert [value for name, value in found.items() if name != "ticket 3"] == [*range(3), *range(4, 20)]
    assert len((tmp_path / "tries").read_text().split()) == 4  # in its chunk, by itself, and twice alone


def find_workers(parent: int) -> list[psutil.Process]:
    """The worker processes of a process that live."""
    found = []
    for child in psutil.Process(parent).children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            found += [child] if "pipeline.workers" in child.cmdline() else []
    return found


def count_siblings(folder: str, strangers: frozenset[int], item: int) -> int:
    """Item 3 is killed twice, then says how many workers there are beside its own; the others are slow."""
    time.sleep(0.02)
    kill_at_first(2, folder, item)
    found = {worker.pid for worker in find_workers(os.getppid())}
    return len(found - strangers - {os.getpid()}) if item == 3 else -1


def test_nothing_else_runs_beside_what_is_tried_alone(tmp_path: Path) -> None:
    strangers = frozenset(worker.pid for worker in find_workers(os.getpid()))  # of models kept by other tests
    work = functools.partial(count_siblings, str(tmp_path), strangers)
    found = ordered_map(
        work, number_items(60), n_bytes=measure, chunk_items=4, n_workers=3, lost=lambda *_: 9
    )
    assert dict(found)["ticket 3"] == 0


def test_random_kills_cost_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a short lack of memory does: it ends one worker after another."""
    monkeypatch.setattr(process, "PAUSES_S", (0.5, 1.0, 2.0))  # a loaded machine is slow to start them
    strangers = {worker.pid for worker in find_workers(os.getpid())}
    is_over = threading.Event()

    def kill() -> None:
        for _ in range(8):
            if is_over.wait(0.4):
                return
            if found := [worker for worker in find_workers(os.getpid()) if worker.pid not in strangers]:
                random.choice(found).kill()

    killer = threading.Thread(target=kill)
    killer.start()
    wait = functools.partial(eval, "__import__('time').sleep(0.01) or i")
    items = ((f"ticket {i}", {"i": i}) for i in range(300))
    lost: list[str] = []
    found = dict(
        ordered_map(
            wait, items, n_bytes=measure, chunk_items=8, n_workers=2, lost=lambda _, why: lost.append(why)
        )
    )
    is_over.set()
    killer.join()
    assert lost == []
    assert list(found.values()) == list(range(300))


def test_a_lack_of_memory_inside_a_worker_is_as_a_kill() -> None:
    items: list[tuple[int, dict[str, int]]] = [(0, {})]
    greedy = functools.partial(eval, "(_ for _ in ()).throw(MemoryError())")
    ((_, why),) = ordered_map(greedy, items, n_bytes=measure, n_workers=1, lost=lambda _, why: why)
    assert why == "its process was killed, as happens when memory runs out"


def test_an_item_that_cannot_be_sent_is_a_bug() -> None:
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        list(ordered_map(id, [(0, lambda: 0)], n_bytes=measure, n_workers=1, lost=lambda _, why: 0))


def garble(data: bytes) -> None:
    """Write into whatever pipe this process has beside its standard streams."""
    for link in Path("/proc/self/fd").iterdir():
        if int(link.name) > 2 and link.is_fifo():
            os.write(int(link.name), data)


def test_an_answer_that_is_garbled_is_not_waited_for() -> None:
    found = ordered_map(garble, [(0, b"x")], n_bytes=measure, n_workers=1, lost=lambda _, why: why)
    assert list(found) == [(0, "its process was not understood: its answer was garbled")]


def test_files_that_were_given_up_for_another_reason_than_their_own_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn_if_killed([("a.png", "reading it crashed its process (SIGSEGV)")], "validate")
    assert not caplog.text
    warn_if_killed([("a.png", ""), ("b.png", "its process was killed, as happens")], "validate")
    assert "1 files could not be read" in caplog.text
    assert (
        "b.png: its process was killed, as happens; free memory, and `dvc repro -f validate`" in caplog.text
    )


def test_large_items_and_answers_pass() -> None:
    twice = functools.partial(operator.mul, 2)
    items = [(i, bytes([i]) * (3 << 20)) for i in range(6)]
    results = ordered_map(twice, items, n_bytes=len, n_workers=2)
    assert all(answer == item * 2 for (_, item), (_, answer) in zip(items, results, strict=True))


def test_no_process_outlives_the_map_however_long_its_work() -> None:
    items = ((i, 0 if i == 0 else 60) for i in range(10))
    before = psutil.Process().children()  # such as the warm interpreter of other tests
    results = ordered_map(time.sleep, items, n_bytes=measure, chunk_items=1, n_workers=2)
    next(results)
    children = [child for child in psutil.Process().children() if child not in before]
    assert len(children) >= 2
    start = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 50
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]


@pytest.mark.parametrize(
    "needed",
    ["math", "pipeline.images.inspection", "pipeline.images.picture"],
    ids=["none", "look", "develop"],
)
def test_workers_hold_no_library_that_their_function_does_not_need(needed: str) -> None:
    """Each takes 0.1 s and 10 MB or more in every worker."""
    libraries = "{'pyarrow', 'pandas', 'pydantic', 'ruamel.yaml', 'PIL'}"
    loaded = functools.partial(
        eval, f"__import__({needed!r}) and {libraries} & {{*__import__('sys').modules}}"
    )
    assert list(ordered_map(loaded, [("", {})], n_bytes=measure, n_workers=2)) == [("", set())]


@pytest.mark.parametrize(
    ("said", "count"),
    [
        pytest.param("1", 1, id="one"),
        pytest.param("12", 12, id="more than cores"),
        pytest.param("", None, id=""),
    ],
)
def test_the_number_of_workers(monkeypatch: pytest.MonkeyPatch, said: str, count: int | None) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, said)
    assert count_workers() == (count or min(8, len(os.sched_getaffinity(0))))


@pytest.mark.parametrize("said", ["0", "-1", "two", "1.5"])
def test_a_number_of_workers_that_is_none(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, said)
    with pytest.raises(ParamsError, match=f"whole number of 1 or more, got '{said}'"):
        count_workers()


# --- a crew ---


@pytest.fixture
def crew() -> Iterator[Crew[dict[str, int], int]]:
    """Two workers that answer with their process."""
    with Crew(GETPID, n_workers=2) as crew:
        yield crew


GETPID = functools.partial(eval, "__import__('time').sleep(0.02) or __import__('os').getpid()")


def ask(crew: Crew[dict[str, int], int], n: int) -> list[int]:
    return crew.answer([{"i": i} for i in range(n)], n_bytes=measure)


def test_a_crew_starts_with_the_work_and_stays(crew: Crew[dict[str, int], int]) -> None:
    before = len(psutil.Process().children())
    assert ask(crew, 0) == []
    assert len(psutil.Process().children()) == before
    crew.start()
    assert len(psutil.Process().children()) == before + 1
    (alone,) = ask(crew, 1)
    assert len(psutil.Process().children()) == before + 1
    both = set(ask(crew, 8))
    assert len(both) == 2
    assert alone in both
    assert set(ask(crew, 8)) == both
    crew.close()
    assert len(psutil.Process().children()) == before
    assert set(ask(crew, 8)).isdisjoint(both)


def test_a_crew_replaces_who_died_in_between(crew: Crew[dict[str, int], int]) -> None:
    before = set(ask(crew, 8))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert set(ask(crew, 8)).isdisjoint(before)


def test_a_crew_whose_iterator_is_given_up_works_on() -> None:
    with Crew(math.sqrt, n_workers=2) as crew:
        for _ in range(3):
            results = crew.map(number_items(1000), n_bytes=measure, chunk_items=1)
            assert next(results) == ("ticket 0", 0)
            results.close()
        assert crew.answer([4, 9], n_bytes=measure) == [2, 3]


def test_threads_take_turns(crew: Crew[dict[str, int], int]) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(crew, 5), range(40)))
    assert {len(answer) for answer in answers} == {5}
    assert len({pid for answer in answers for pid in answer}) == 2


FORKS = """
import functools, json, os, sys, threading
from pipeline.workers import Crew

crew = Crew(functools.partial(eval, "__import__('os').getpid()"), n_workers=1)
ask = lambda: crew.answer([{"i": 0}], n_bytes=lambda _: 1)
mine, (reading, writing) = ask(), os.pipe()
if os.fork() == 0:
    os.write(writing, json.dumps(ask()).encode())
    sys.exit()
os.wait()
theirs = json.loads(os.read(reading, 100))
print(json.dumps([mine, theirs, ask()]))
sys.stdout.flush()
sys.stdin.read()  # until the test kills it
"""


def test_a_fork_has_workers_of_its_own_and_they_end_with_their_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        assert select.select([parent.stdout], [], [], 60)[0]
        (mine,), (theirs,), (again,) = json.loads(parent.stdout.readline())
        assert mine == again
        assert mine != theirs
        wait_until_gone(theirs)  # the fork has ended
        assert psutil.pid_exists(mine)
        parent.kill()
    wait_until_gone(mine)


def wait_until_gone(pid: int) -> None:
    last = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < last
        time.sleep(0.05)


def test_a_worker_has_the_code_of_its_parent_whatever_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise RuntimeError('another')")
    monkeypatch.chdir(tmp_path)
    assert [x for _, x in ordered_map(math.sqrt, [(0, 4)], n_bytes=measure)] == [2]
