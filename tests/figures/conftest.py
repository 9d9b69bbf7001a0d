"""The figures that a test draws."""

from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that became files, the latest last."""
    kept: list[Figure] = []
    write = Figure.savefig

    def keep(figure: Figure, *args: Any, **settings: Any) -> None:
        kept.append(figure)
        write(figure, *args, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept
