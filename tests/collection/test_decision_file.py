"""decision_file: what is written is read again; what test_overrides asks of one file holds for each."""

from pathlib import Path

import pytest

from pipeline.collection.decision_file import cut_cells, read_lines, write_lines
from pipeline.errors import DataError

COLUMNS = ("id", "key", "why")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = [("AB", " a,b.png", 'say "no"'), ("", "=1+1", "-2")]
    write_lines(rows, COLUMNS, tmp_path / "a.csv")
    lines = list(read_lines(tmp_path / "a.csv", COLUMNS))
    assert [number for number, _ in lines] == [2, 3]
    assert [cut_cells(cells, COLUMNS, "") for _, cells in lines] == [
        ["ab", " a,b.png", 'say "no"'],
        ["", "=1+1", "-2"],
    ]
    assert "'=1+1,'-2" in (tmp_path / "a.csv").read_text()


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path / "a.csv", COLUMNS)) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            b"id;key;why\n", r"a.csv line 1: the columns must be id,key,why .* got id;key;why", id=";"
        ),
        pytest.param(b"id,key,why\n\xe9,,\n", "a.csv is not a CSV file in UTF-8", id="latin-1"),
    ],
)
def test_another_file_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(DataError, match=message):
        list(read_lines(tmp_path / "a.csv", COLUMNS))


def test_a_cell_too_few_is_named() -> None:
    with pytest.raises(DataError, match=r"^here: 3 columns are allowed \(id,key,why\), got 2; put a text"):
        cut_cells(["", "a"], COLUMNS, "here")
