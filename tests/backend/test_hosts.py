"""hosts: what they compare, what is refused before JAX is asked, and what a loss becomes."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.backend import hosts as module
from pipeline.backend.hosts import ALONE, Hosts, check_batch_size, gather_hosts
from pipeline.backend.peers import Peer
from pipeline.errors import DataError, ParamsError, WorkersError

FACTS = {"pipeline/a.py": "5f", "train.epochs": 20, "keras": "3.15.0"}


@pytest.fixture
def three() -> Iterator[list[Hosts]]:
    """Three hosts, connected."""
    pairs = [socket.socketpair() for _ in range(2)]
    others = [Hosts(3, i + 1, [Peer(0, theirs)]) for i, (_, theirs) in enumerate(pairs)]
    hosts = [Hosts(3, 0, [Peer(i + 1, ours) for i, (ours, _) in enumerate(pairs)]), *others]
    yield hosts
    for host in hosts:
        for peer in host.peers:
            peer.close()


def ask(three: list[Hosts], facts: list[dict[str, object]]) -> list[str]:
    """What each host says about its facts; "" if they are alike."""

    def agree(host: Hosts, known: dict[str, object]) -> str:
        try:
            host.agree(known)
        except WorkersError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(3) as thread:
        return list(thread.map(agree, three, facts))


def test_hosts_agree(three: list[Hosts]) -> None:
    assert ask(three, [FACTS] * 3) == ["", "", ""]
    assert [host.is_chief for host in three] == [True, False, False]
    ALONE.agree(FACTS)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (
            {"pipeline/a.py": "91"},
            "host 2 is unlike host 0 in pipeline/a.py (91 and 5f); give both the same ",
        ),
        (
            {"keras": "3.14.0", "train.epochs": 9},
            "host 2 is unlike host 0 in keras (3.14.0 and 3.15.0), and 1 more;",
        ),
        ({"jax": "0.10"}, "host 2 is unlike host 0 in jax (0.10 and None); give both the same code, data, "),
    ],
)
def test_all_hosts_hear_which_one_is_unlike(theirs: dict[str, object], said: str, three: list[Hosts]) -> None:
    found = ask(three, [FACTS, FACTS, FACTS | theirs])
    assert found[0].startswith(said)
    assert set(found) == {found[0]}


def test_an_error_that_comes_of_a_loss_says_so(three: list[Hosts], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 5.0)
    chief, other, _ = three

    def train() -> None:
        with chief.watch(pytest.fail):
            other.peers[0].close()
            raise ValueError("Gloo all-reduce failed")

    with pytest.raises(WorkersError, match=r"^host 1 is lost"):
        train()


@pytest.mark.parametrize("error", [DataError("a class has no picture"), ValueError("a bug")])
def test_another_error_stays_what_it_is(
    error: Exception, three: list[Hosts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    with pytest.raises(type(error), match=str(error)), three[0].watch(pytest.fail):
        raise error


@pytest.mark.parametrize(
    ("number", "said"), [(0, "host 1 is lost"), (1, "host 0, which runs the chain, is lost")]
)
def test_a_loss_without_an_error_ends_the_wait(
    number: int, said: str, three: list[Hosts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    heard: list[str] = []
    told = threading.Event()

    def hear(line: str) -> None:
        heard.append(line)
        told.set()

    with three[number].watch(hear):
        three[1 - number].peers[0].close()
        assert told.wait(10)
    assert heard[0].startswith(said)


def test_a_batch_is_divided_evenly() -> None:
    two = Hosts(2)
    check_batch_size(64, 4, two)
    check_batch_size(63, 2, ALONE)
    with pytest.raises(
        ParamsError, match=r"^train.batch_size: 63 .* among 2 devices of 2 hosts; set it to 62 or 64,"
    ):
        check_batch_size(63, 2, two)
    with pytest.raises(ParamsError, match="; set it to 8, or change DARKROOM_HOSTS"):
        check_batch_size(3, 8, two)


@pytest.fixture
def gather(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Hosts]:
    """`gather(DARKROOM_HOSTS="2")`: the hosts that these variables name."""

    def gather(**values: str) -> Hosts:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        with contextlib.ExitStack() as held:
            return held.enter_context(gather_hosts(pytest.fail))

    return gather


def test_a_host_alone(gather: Callable[..., Hosts], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DARKROOM_HOSTS", raising=False)
    assert gather() is ALONE
    assert gather(DARKROOM_HOSTS="1") is ALONE


def test_keras_on_tensorflow_is_refused_at_once(gather: Callable[..., Hosts]) -> None:
    with pytest.raises(
        ParamsError, match=r"^DARKROOM_HOSTS: .* KERAS_BACKEND=jax only, got tensorflow; set it, or"
    ):
        gather(DARKROOM_HOSTS="2", DARKROOM_COORDINATOR="127.0.0.1:1", KERAS_BACKEND="")


def test_jax_that_is_missing(gather: Callable[..., Hosts], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(
        WorkersError, match=r"^KERAS_BACKEND is jax, and JAX is not installed; install it, or unset"
    ):
        gather(DARKROOM_HOSTS="2", DARKROOM_COORDINATOR="127.0.0.1:1", KERAS_BACKEND="jax")
