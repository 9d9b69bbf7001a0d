"""learning: the same bits, interrupted or not; another seed or picture is another training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backend.device import set_up_device
from pipeline.synthesis import feed
from pipeline.synthesis.learning import (
    Row,
    Settings,
    learn,
    open_checkpoints,
)
from pipeline.synthesis.request import Request

Learn = Callable[..., Any]
SETTINGS = Settings(epochs=3, seed=0, mirrored=True)


class InterruptedEarlyError(Exception):
    """Stands for a kill at the end of an epoch."""


@pytest.fixture
def run(request_of: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learn:
    """`run("a", stop=2)`: learn with the cache `a`, until an epoch is over; returns network, rows, sheets."""
    set_up_device()
    monkeypatch.setattr(feed, "_MIN_BATCHES", 2)

    def run(cache: str, stop: int = 0, settings: Settings = SETTINGS) -> Any:
        rows: list[Row] = []
        sheets: dict[int, Any] = {}

        def note(row: Row) -> None:
            rows.append(row)
            if row["epoch"] == stop:
                raise InterruptedEarlyError

        checkpoints = open_checkpoints(request_of, settings, tmp_path / cache)
        state = learn(
            request_of.pictures,
            settings,
            checkpoints=checkpoints,
            sheet_every=2,
            on_epoch=note,
            on_sheet=sheets.__setitem__,
        )
        return state.make_pictures(70, 0), rows, sheets

    return run


def test_interrupted_or_not_the_same_bits(run: Learn) -> None:
    pictures, rows, sheets = run("whole")
    with pytest.raises(InterruptedEarlyError):
        run("cut", stop=2)
    again, rows_again, _ = run("cut")
    assert rows_again == rows
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert sorted(sheets) == [2, 3]
    assert sheets[3].shape == (48, 8, 8, 1)
    assert np.array_equal(again, pictures)
    known, rows_known, no_sheets = run("whole")
    assert (rows_known, no_sheets) == (rows, {})
    assert np.array_equal(known, pictures)


def test_another_training_has_another_key(request_of: Request, tmp_path: Path) -> None:
    first = open_checkpoints(request_of, SETTINGS, tmp_path).key
    assert open_checkpoints(request_of, SETTINGS, tmp_path).key == first
    assert open_checkpoints(request_of, Settings(epochs=3, seed=1, mirrored=True), tmp_path).key != first
