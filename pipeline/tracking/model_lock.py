"""One process at a time moves the champion of a model, also on a server, where no file lock helps.

A process writes a tag of its own on the registered model, and reads all such tags back. It has the lock if
there is no other. Otherwise it takes its tag away, and tries again after a random pause. Of two processes the
later writer always sees the other's tag, so never do both have the lock.
"""

import logging
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import TrackingError
from pipeline.tracking.connection import find_database
from pipeline.tracking.processes import describe_process, is_gone

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TAG = "darkroom.lock."
_PAUSE_S = 0.3  # at most, between two tries
_PATIENCE_S = 60.0  # with a process elsewhere: moving a champion takes a second
_TIMEOUT_S = 300.0

_log = logging.getLogger(__name__)


@contextmanager
def lock_model(client: "MlflowClient", root: Path, model: str) -> Iterator[None]:
    """Hold the lock of a registered model, which must exist.

    On a local database there is nothing to do: `rows.lock_rows` holds the lock of a file.

    Raises:
        TrackingError: others have it for five minutes.
    """
    from mlflow.exceptions import MlflowException

    if find_database(root) is not None:
        yield
        return
    key = f"{_TAG}{secrets.token_hex(8)}"
    try:
        _acquire(client, model, key)
        yield
    finally:
        with suppress(MlflowException):  # then it counts as left by a killed process when this one has ended
            client.delete_registered_model_tag(model, key)


def _acquire(client: "MlflowClient", model: str, key: str) -> None:
    claim, start = describe_process(), time.monotonic()
    seen: dict[str, float] = {}
    while True:
        if not _list_others(client, model, key, seen):
            client.set_registered_model_tag(model, key, claim)
            if not _list_others(client, model, key, seen):
                return
            client.delete_registered_model_tag(model, key)
        waited = time.monotonic() - start
        if waited > _TIMEOUT_S:
            raise TrackingError(
                f"other processes move the champion of {model} for {_TIMEOUT_S:g} s; try again later"
            )
        time.sleep(random.uniform(0, _PAUSE_S))  # noqa: S311 (so that two do not keep step)


def _list_others(client: "MlflowClient", model: str, key: str, seen: dict[str, float]) -> list[str]:
    """The tags of other living processes; what killed ones left is removed.

    A process elsewhere cannot be seen. It counts as killed when its tag has been there for a minute.

    Args:
        seen: when this process first saw each tag, by its own clock.
    """
    others = []
    for name, claim in client.get_registered_model(model).tags.items():
        if not name.startswith(_TAG) or name == key:
            continue
        if name not in seen:
            _log.info("another process moves the champion of %s: waiting for it", model)
        first = seen.setdefault(name, time.monotonic())
        if is_gone(claim, int(time.time() * 1000)) or time.monotonic() - first > _PATIENCE_S:
            client.delete_registered_model_tag(model, name)
        else:
            others.append(name)
    return others
