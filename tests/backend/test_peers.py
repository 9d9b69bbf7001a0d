"""peers: what two hosts say to each other, and how one notices that the other is lost."""

import socket

import pytest

from pipeline.backend import peers
from pipeline.backend.peers import Peer, explain_loss
from pipeline.errors import WorkersError


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> tuple[Peer, Peer, socket.socket]:
    """Host 0 as host 1 knows it, the other way round, and the bare end of a third connection."""
    monkeypatch.setattr(peers, "_BEAT_S", 0.05)
    one, two = socket.socketpair()
    return Peer(0, one), Peer(1, two), one


def test_what_is_said_arrives_in_order_between_beats(pair: tuple[Peer, Peer, socket.socket]) -> None:
    theirs, ours, _ = pair
    for number in range(3):
        theirs.say({"number": number})
    assert [ours.hear()["number"] for _ in range(3)] == [0, 1, 2]
    assert not ours.gone.wait(0.3)
    theirs.close()
    assert ours.gone.wait(5)
    with pytest.raises(
        WorkersError, match=r"^host 1 is lost: .*; run `dvc repro` again, with it or with fewer"
    ):
        ours.hear()
    ours.say({"to": "nobody"})
    ours.close()


def test_a_silent_host_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "SILENCE_S", 0.2)
    ours, silent = socket.socketpair()
    peer = Peer(0, ours)
    with silent, pytest.raises(WorkersError, match=r"^host 0, which runs the chain, is lost: "):
        peer.hear()
    assert peer.gone.is_set()
    peer.close()


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n", b"3\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_one_that_speaks_otherwise_is_lost(said: bytes) -> None:
    ours, stranger = socket.socketpair()
    peer = Peer(1, ours)
    with stranger:
        stranger.sendall(said)
        assert peer.gone.wait(5)
        with pytest.raises(WorkersError, match="host 1 is lost"):
            peer.hear()
    peer.close()


def test_a_loss_is_one_line() -> None:
    assert not any("\n" in explain_loss(number) for number in (0, 1))
