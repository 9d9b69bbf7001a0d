"""meeting: who is who among hosts, and what they hear that come to the wrong place, too late, or twice."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.backend import meeting
from pipeline.backend.meeting import (
    Address,
    find_port,
    go_to_chief,
    is_follower,
    read_address,
    read_numbers,
    wait_for_others,
)
from pipeline.errors import ParamsError, WorkersError

HERE = Address("127.0.0.1", 0)


@pytest.fixture
def address() -> Address:
    return HERE._replace(port=find_port(HERE))


@pytest.fixture
def held() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as held:
        yield held


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as thread:
        yield thread


def choose(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name in ("DARKROOM_HOSTS", "DARKROOM_HOST", "DARKROOM_COORDINATOR", "DVC_STAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        pytest.param({}, (1, 0), id="alone"),
        pytest.param({"DARKROOM_HOSTS": "3"}, (3, 0), id="host 0"),
        pytest.param({"DARKROOM_HOSTS": "3", "DVC_STAGE": "train"}, (3, 0), id="host 0 under DVC"),
        pytest.param({"DARKROOM_HOSTS": "3", "DARKROOM_HOST": "2"}, (3, 2), id="another"),
    ],
)
def test_who_is_who(
    values: dict[str, str], numbers: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, **values)
    assert read_numbers() == numbers
    assert is_follower() is (numbers[1] > 0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"DARKROOM_HOSTS": "two"},
            "DARKROOM_HOSTS must be a whole number from 1 to 1024, got 'two'; unset ",
        ),
        (
            {"DARKROOM_HOSTS": "2", "DARKROOM_HOST": "2"},
            "DARKROOM_HOST must be a whole number from 0 to 1, got",
        ),
        ({"DARKROOM_HOST": "1"}, "DARKROOM_HOST must be a whole number from 0 to 0, got '1'; unset "),
        (
            {"DARKROOM_HOSTS": "2", "DARKROOM_HOST": "1", "DVC_STAGE": "train"},
            "DARKROOM_HOST is 1, and `dvc repro` is for host 0 alone; run `python -m ",
        ),
    ],
)
def test_numbers_that_are_none(values: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, **values)
    with pytest.raises(ParamsError, match=f"^{said}"):
        read_numbers()


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, shown in (("a.lan:26500", "a.lan:26500"), ("[::1]:80", "[::1]:80")):
        choose(monkeypatch, DARKROOM_COORDINATOR=said)
        assert str(read_address()) == shown
    for wrong in (
        "",
        "a.lan",
        "a.lan:0",
        "a.lan:65536",
        "http://a.lan:80",
        ":26500",
        "..:80",
        "é..x:99",
        f"{'a' * 64}:1",
    ):
        choose(monkeypatch, DARKROOM_COORDINATOR=wrong)
        with pytest.raises(ParamsError, match=r"^DARKROOM_COORDINATOR must be host:port, .*, got "):
            read_address()


def test_three_hosts_meet(address: Address, held: contextlib.ExitStack, thread: ThreadPoolExecutor) -> None:
    """Whatever else knocks at the door."""
    others = [thread.submit(go_to_chief, held, address, 3, number) for number in (2, 1)]
    strange = (b"GET / HTTP/1.1\r\n", b'{"host": Infinity, "hosts": 3}\n', b"[" * 999 + b"\n")
    strangers = [thread.submit(knock, address, said) for said in strange]
    found = wait_for_others(held, address, 3)
    assert [peer.number for peer in found] == [1, 2]
    assert [other.result().number for other in others] == [0, 0]
    for stranger in strangers:
        stranger.result().close()


def test_who_says_nothing_whole_does_not_keep_others_waiting(
    address: Address,
    held: contextlib.ExitStack,
    thread: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(meeting, "_HELLO_S", 0.3)
    is_over = threading.Event()

    def trickle(slow: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not is_over.wait(0.1):
                slow.sendall(b" ")

    waiting = thread.submit(wait_for_others, held, address, 2)
    with knock(address, b"{") as slow:
        thread.submit(trickle, slow)
        assert go_to_chief(held, address, 2, 1).number == 0
        assert [peer.number for peer in waiting.result()] == [1]
        is_over.set()


def knock(address: Address, said: bytes) -> socket.socket:
    """A connection to host 0, as soon as it is there, on which something was said."""
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            knocking = socket.create_connection(address, 10)
            knocking.sendall(said)
            return knocking


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        ({"host": 1, "hosts": 4}, "DARKROOM_HOSTS is 4 on host 1 and 3 on host 0; set it alike"),
        ({"host": 1, "hosts": 3}, "DARKROOM_HOST is 1 on two machines; give each its own, from 1 up"),
        ({"host": 0, "hosts": 3}, "DARKROOM_HOST is 0 on two machines; give each its own, from 1 up"),
    ],
)
def test_refused_by_host_0(
    hello: dict[str, int],
    said: str,
    address: Address,
    held: contextlib.ExitStack,
    thread: ThreadPoolExecutor,
) -> None:
    """It goes on waiting for the right ones."""
    waiting = thread.submit(wait_for_others, held, address, 3)
    with knock(address, b'{"host": 1, "hosts": 3}\n'):
        with knock(address, json.dumps(hello).encode() + b"\n") as refused:
            assert json.loads(refused.makefile().readline()) == {"refused": said}
        assert go_to_chief(held, address, 3, 2).number == 0
        assert [peer.number for peer in waiting.result()] == [1, 2]


def test_nobody_comes(address: Address, held: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_HOSTS_WAIT_S", "1")
    with pytest.raises(WorkersError, match=r"^of 3 hosts, these did not come to .* within 1 s: 1, 2; start "):
        wait_for_others(held, address, 3)
    with pytest.raises(
        WorkersError, match=r"^host 0 was not at .* within 1 s: .*refused.*; start `dvc repro`"
    ):
        go_to_chief(held, address, 3, 1)


def test_a_place_that_is_taken(address: Address, held: contextlib.ExitStack) -> None:
    with (
        socket.create_server(address),
        pytest.raises(
            WorkersError, match=r"^host 0 cannot wait at .*in use; name an address of this machine"
        ),
    ):
        wait_for_others(held, address, 2)
