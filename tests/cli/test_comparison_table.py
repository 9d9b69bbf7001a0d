"""The table of rows: which columns fit, and what a narrow terminal leaves out."""

from dataclasses import replace

import pytest

from pipeline.cli.comparison_table import make_pair, make_table
from pipeline.search.comparison import Comparison
from tests.search.test_comparison_files import BEST, GONE, ODD

FOUND = Comparison(
    [BEST, ODD, GONE], "accuracy", "accuracy", BEST, ["train.epochs", "augment.seed", "train.seed"]
)


@pytest.mark.parametrize(
    ("width", "n_columns"), [pytest.param(20, 3, id="at least three"), pytest.param(300, 8, id="all")]
)
def test_as_many_columns_as_fit(width: int, n_columns: int) -> None:
    table, hints = make_table(FOUND, n=3, width=width)
    assert len(table.columns) == n_columns
    assert any(line.startswith("no room for") for line in hints) == (width == 20)


def test_headings_are_short_where_they_are_clear() -> None:
    odd = replace(ODD, params={**ODD.params, "train.seed": "1", "augment.seed": "2"})
    table, _ = make_table(replace(FOUND, entries=[BEST, odd]), n=9, width=300)
    headings = [str(column.header) for column in table.columns]
    assert headings[5:] == ["seconds", "parameters", "epochs", "augment.seed", "train.seed"]


def test_a_note_has_a_line_of_its_own() -> None:
    table, _ = make_table(FOUND, n=3, width=300)
    cells = list(table.columns[2].cells)
    assert cells[0] == "the best"
    assert str(cells[1]).endswith("\nother test images: 90 common")
    assert cells[2] == "no test answers in MLflow"


def test_a_pair_says_how_both_fit() -> None:
    augmented = replace(
        BEST, run_id="b", name="augmented", metrics={"train_accuracy": 0.73, "val_accuracy": 0.712}
    )
    pair = replace(FOUND, entries=[BEST, augmented], differing=[])
    assert make_pair(pair, [BEST.run_id, "b"])[1][1] == (
        "fit: 'best' overfits, training 20.0 points above validation; 'augmented' underfits, training 1.8 "
        "points above validation. From the first to the second, validation changes by +1.2 points"
    )
    _, words = make_pair(replace(pair, entries=[BEST, ODD]), [BEST.run_id, ODD.run_id])
    assert len(words) == 1, "one of them does not say"
