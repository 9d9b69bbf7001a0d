"""MLflow runs: a stage's own run, live. (Being written; the `Run` protocol below is fixed.)"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Run(Protocol):
    """What a stage may say to its MLflow run. Every method is safe to call when the server is away."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers live, in one batch; names without the stage's name, "/" between parts."""

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Log a file, or a folder with all it holds, under `folder` of the run's artifacts."""

    def log_dataset(self, name: str, path: Path, context: str) -> None:
        """Record a file as an input of the run: its name, a digest of its bytes, and what it was used for."""


class Untracked:
    """A run that goes nowhere: for tests, and for data stages while the tracking server is away."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...

    def log_artifact(self, path: Path, folder: str = "") -> None: ...

    def log_dataset(self, name: str, path: Path, context: str) -> None: ...
