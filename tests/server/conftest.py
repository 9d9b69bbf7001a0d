"""A stand-in for the process of a model, and the application on a real socket around it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.server import connections
from pipeline.server.app import Terms, make_app
from pipeline.server.deployment import About, Candidate, Deployment, Row

RunApp = Callable[..., Any]


class StandIn:
    """It calls a picture by its first byte, says nothing of an empty one, and can be held up or die."""

    class_names = ("a", "b")

    def __init__(self, name: str = "m") -> None:
        self.name, self.is_alive, self.is_closed = name, True, False
        self.batches: list[int] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.deaths = 0  # how often asking it ends it

    def ask(self, pictures: list[bytes]) -> list[Row]:
        if self.deaths:
            self.deaths -= 1
            self.is_alive = False
        if not self.is_alive:
            raise ModelError("its process ended with -9")
        self.may_go_on.wait(30)
        if b"bug" in pictures:
            raise ModelError("the model failed: ValueError")
        self.batches.append(len(pictures))
        return [self.describe(picture) for picture in pictures]

    def describe(self, picture: bytes) -> Row:
        if picture.startswith(b"bad"):
            return dict.fromkeys(("answer", "class", "probability")) | {
                "reason": "not_an_image: \x1b",
                "a": None,
                "b": None,
            }
        best = "b" if picture.startswith(b"b") else "a"
        answer = "review" if picture.endswith(b"?") else best
        return {"answer": answer, "class": best, "probability": 0.75, "reason": None, "a": 0.75, "b": 0.25}

    def explain(self, picture: bytes, class_name: str) -> dict[str, Any]:
        if picture.startswith(b"bad"):
            return {"reason": "not_an_image"}
        return {"class": class_name or "a", "heat": [[0.11129999905824661, 1.0]], "picture": "iVBO"}

    def close(self) -> None:
        self.is_closed, self.is_alive = True, False


def offer(process: StandIn, version: int = 1, **more: Any) -> Candidate:
    """A version whose process is there already."""
    about = About("m", version, f"m version {version}", {"intended_use": "tests"})
    return Candidate((process.name, version), lambda: about, more.get("start", lambda: process))


@pytest.fixture
def process() -> StandIn:
    return StandIn()


@pytest.fixture
def run_app(process: StandIn) -> RunApp:
    """`with run_app(**terms) as (address, deployment)`: the application on a socket of this process."""

    @contextmanager
    def run(**terms: Any) -> Iterator[tuple[str, Deployment]]:
        deployment = Deployment(lambda: offer(process))
        deployment.open()
        app = make_app(deployment, Terms(**{"max_bytes": 1 << 20, "poll_s": 0} | terms))
        is_ready, servers = threading.Event(), []

        class Kept(connections._Server):
            def __init__(self, *given: Any) -> None:
                super().__init__(*given)
                servers.append(self)

        with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listening:
            patch.setattr(connections, "_Server", Kept)
            given = {"when_ready": is_ready.set}
            thread = threading.Thread(target=connections.serve, args=(app, listening), kwargs=given)
            thread.start()
            assert is_ready.wait(30)
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}", deployment
            finally:
                servers[0].should_exit = True
                process.may_go_on.set()
                thread.join(30)

    return run
