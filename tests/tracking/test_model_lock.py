"""The lock of a registered model on a server, by tags; here over a database, without the server before it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import model_lock
from pipeline.tracking.model_lock import lock_model
from pipeline.tracking.processes import describe_process

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOREIGN = '{"host": "elsewhere", "machine": "", "namespace": "", "boot": "", "pid": 1, "started": 1.0}'


@pytest.fixture
def model(client: "MlflowClient", monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A registered model; the address is a server's, so tags are the lock."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    client.create_registered_model(request.node.name)
    return str(request.node.name)


def list_claims(client: "MlflowClient", model: str) -> list[str]:
    return [key for key in client.get_registered_model(model).tags if key.startswith("darkroom.lock.")]


def test_one_at_a_time_and_nothing_is_left(client: "MlflowClient", root: Path, model: str) -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def work(_: int) -> None:
        nonlocal inside, most
        with lock_model(client, root, model):
            with lock:
                inside += 1
                most = max(most, inside)
            assert len(list_claims(client, model)) >= 1
            time.sleep(0.02)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == 1
    assert list_claims(client, model) == []


def test_an_error_inside_leaves_no_claim(client: "MlflowClient", root: Path, model: str) -> None:
    def fail() -> None:
        with lock_model(client, root, model):
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fail()
    assert list_claims(client, model) == []


def test_what_a_killed_process_left_is_removed_at_once(
    client: "MlflowClient", root: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_lock, "_TIMEOUT_S", 5)
    dead = describe_process().replace('"pid": ', '"pid": 9999')  # there is no process of this number
    client.set_registered_model_tag(model, "darkroom.lock.dead", dead)
    with lock_model(client, root, model):
        assert len(list_claims(client, model)) == 1
    assert list_claims(client, model) == []


def test_a_process_elsewhere_has_a_minute(
    client: "MlflowClient", root: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.set_registered_model_tag(model, "darkroom.lock.elsewhere", FOREIGN)
    monkeypatch.setattr(model_lock, "_TIMEOUT_S", 0.5)
    with pytest.raises(TrackingError, match="other processes move the champion of"):  # noqa: SIM117
        with lock_model(client, root, model):
            pass
    assert list_claims(client, model) == ["darkroom.lock.elsewhere"]
    monkeypatch.setattr(model_lock, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(model_lock, "_TIMEOUT_S", 300)
    with lock_model(client, root, model):
        assert "darkroom.lock.elsewhere" not in list_claims(client, model)


def test_who_sees_another_claim_takes_its_own_away(
    client: "MlflowClient", root: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process wrote its claim between the look and the own claim: both go, and one comes first."""
    written = client.set_registered_model_tag

    def write_both(name: str, key: str, value: str) -> None:
        monkeypatch.setattr(client, "set_registered_model_tag", written)
        written(name, "darkroom.lock.other", describe_process())
        written(name, key, value)
        threading.Timer(0.5, client.delete_registered_model_tag, (name, "darkroom.lock.other")).start()

    monkeypatch.setattr(client, "set_registered_model_tag", write_both)
    with lock_model(client, root, model):
        assert len(list_claims(client, model)) == 1
        assert "darkroom.lock.other" not in list_claims(client, model)


def test_a_local_database_needs_none(
    client: "MlflowClient", root: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with lock_model(client, root, model):
        assert list_claims(client, model) == []
