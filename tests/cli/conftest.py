"""The command as a person runs it, in a project's folder."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli import app
from pipeline.paths import Paths

Said = tuple[int, str, str]  # exit code, stdout, stderr
Darkroom = Callable[..., Said]


@pytest.fixture
def darkroom(project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Darkroom:
    """`darkroom("predict", path)`: run the command in the project's folder."""
    monkeypatch.chdir(project.root)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)  # of the project, whatever a wider fixture uses
    monkeypatch.setenv("COLUMNS", "120")

    def darkroom(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["darkroom", *map(str, words)])
        code, handlers = 0, logging.root.handlers[:]
        try:
            app.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            logging.root.handlers[:] = handlers  # a command's own writes to a stream that ends with the test
        said = capsys.readouterr()
        return code, said.out, said.err

    return darkroom
