"""history: the best epoch, and a table that is read as it was written."""

from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.training.history import CURVES, Row, find_best_row, is_better_low, read_history, write_history

VALUES = [(0.5, 0.8), (0.3, 0.7), (0.4, 0.9), (0.6, 0.9)]  # val_loss, val_accuracy
ROWS = [
    {"epoch": i + 1.0, "val_loss": a, "val_accuracy": b, "loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1}
    for i, (a, b) in enumerate(VALUES)
]
HEADER = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate\n"


@pytest.mark.parametrize(
    ("monitor", "epoch"),
    [pytest.param("val_loss", 2, id="least loss"), pytest.param("val_accuracy", 3, id="first of equals")],
)
def test_best_row(monitor: str, epoch: int) -> None:
    assert find_best_row(ROWS, monitor)["epoch"] == epoch


def test_which_way_is_better() -> None:
    assert is_better_low("val_loss")
    assert not is_better_low("val_accuracy")


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "train" / "history.csv"
    write_history(ROWS, path)
    first = path.read_bytes()
    assert read_history(path) == ROWS
    write_history(read_history(path), path)
    assert path.read_bytes() == first


def test_six_digits_a_value(tmp_path: Path) -> None:
    row: Row = dict.fromkeys(CURVES, 1 / 3) | {"learning_rate": 1.23456789e-7, "val_loss": 2.0}
    write_history([row | {"epoch": 12.0}], tmp_path / "history.csv")
    text = (tmp_path / "history.csv").read_text(encoding="utf-8")
    assert text == HEADER + "12,0.333333,0.333333,2,0.333333,1.23457e-07\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "history.csv does not exist; run `dvc repro train` to make it", id="missing"),
        pytest.param("", "must have the columns epoch, loss, ", id="empty"),
        pytest.param(HEADER, "must have the columns epoch, loss, ", id="no epoch"),
        pytest.param("epoch,loss\n1,0.5\n", "must have the columns epoch, loss, ", id="other columns"),
        pytest.param(HEADER + "1,much,0,0,0,0\n", "is not a table of numbers", id="a word"),
        pytest.param(HEADER + "1,0.5,0\n", "is not a table of numbers", id="cut off"),
        pytest.param(HEADER + "1,0,0,0,0,0,9\n", "is not a table of numbers", id="a value too many"),
        pytest.param("\udcff\udcfe", "is not a table of numbers", id="no text"),
    ],
)
def test_damaged(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=message) as error:
        read_history(path)
    assert "\n" not in str(error.value)
    assert "run `dvc repro" in str(error.value)
