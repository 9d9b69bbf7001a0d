"""A client of MLflow that is killed just before its nth call, as a process would be."""

from typing import TYPE_CHECKING, Any

from pipeline.tracking.processes import describe_process

if TYPE_CHECKING:
    from mlflow import MlflowClient


class KilledError(BaseException):
    """Stands for the end of the process: nothing that catches errors sees it."""


def bury(client: "MlflowClient", model: str) -> None:
    """Let what the killed process claimed be a dead one's: here both are the same process, which lives."""
    for key in client.get_registered_model(model).tags:
        if key.startswith("darkroom.lock."):
            client.set_registered_model_tag(model, key, describe_process().replace('"pid": ', '"pid": 9999'))


class DyingClient:
    """Hands every call on to a real client, until it is dead."""

    def __init__(self, client: "MlflowClient", n: int) -> None:
        """`n` is the call before which it dies, from 1."""
        self._client, self._n = client, n
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) >= self._n:
                raise KilledError(name)
            return method(*arguments, **named)

        return call
