"""history.csv: one row per epoch, with the values that the curves are drawn from."""

import csv
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DataError
from pipeline.storage import write_whole

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")

Row = dict[str, float]  # "epoch" (from 1), and a value for each of CURVES


def find_best_row(history: Sequence[Row], monitor: str) -> Row:
    """The first epoch with the best value of `monitor`: the one whose weights were kept."""
    sign = 1 if is_better_low(monitor) else -1
    return min(history, key=lambda row: sign * row[monitor])


def is_better_low(monitor: str) -> bool:
    """Whether a lower value is better (a loss), or a higher one (an accuracy)."""
    return monitor.endswith("loss")


def write_history(history: Sequence[Row], path: Path) -> None:
    """Write one line per epoch, values to six digits: the same history gives the same bytes."""
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("epoch", *CURVES))
        for row in history:
            table.writerow((int(row["epoch"]), *(f"{row[name]:.6g}" for name in CURVES)))


def read_history(path: Path) -> list[Row]:
    """Read the rows of history.csv.

    Raises:
        DataError: the file is missing, or holds something else.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{name: float(value) for name, value in line.items()} for line in csv.DictReader(file)]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro train` to make it") from None
    except (ValueError, TypeError, AttributeError):
        raise DataError(f"{path} is not a table of numbers; run `dvc repro -f train`") from None
    if not rows or rows[0].keys() != {"epoch", *CURVES}:
        raise DataError(f"{path} must have the columns epoch, {', '.join(CURVES)}; run `dvc repro -f train`")
    return rows
