"""A client of MLflow that is killed just before its nth call, as a process would be."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient


class KilledError(BaseException):
    """Stands for the end of the process: nothing that catches errors sees it."""


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
