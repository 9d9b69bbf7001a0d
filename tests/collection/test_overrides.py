"""overrides.csv: stable bytes, one line a picture, and a line for a person about every line that is wrong."""

from pathlib import Path

import pytest

from pipeline.collection.overrides import (
    COLUMNS,
    Override,
    add_decisions,
    read_overrides,
    remove_decisions,
    write_overrides,
)
from pipeline.errors import DataError, nearest

A, B = "a" * 64, "b" * 64
HEADER = ",".join(COLUMNS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "overrides.csv"


def test_decisions_come_back_sorted_and_with_the_same_bytes(path: Path) -> None:
    decisions = [
        Override(B, 'x/"2", é\n.png', "relabel", "y", "wrong, folder"),
        Override("", "x/1.png", "drop"),
        Override(A, "a.png", "restore", note="fine"),
    ]
    write_overrides(decisions, path)
    first = path.read_bytes()
    read = read_overrides(path)
    assert [one.key for one in read] == sorted(one.key for one in decisions)
    assert set(read) == set(decisions)
    write_overrides(read, path)
    assert path.read_bytes() == first
    assert first.startswith(f"{HEADER}\n{A},a.png,restore,,fine\n".encode())
    assert b"\r" not in first


FORMULAS = ("=1+1", "+x", "-x", "@x", "'=x", "''-x", "'x", "'", "x=1")


def test_what_a_spreadsheet_would_run_is_quoted_and_comes_back(path: Path) -> None:
    decisions = [Override("", word, "relabel", word, word) for word in FORMULAS]
    write_overrides(decisions, path)
    assert set(read_overrides(path)) == set(decisions)
    cells = [cell for line in path.read_text().splitlines()[1:] for cell in line.split(",")]
    assert not any(cell[:1] in tuple("=+-@") for cell in cells if cell)
    assert ",'=1+1,relabel,'=1+1,'=1+1" in path.read_text()


def test_what_a_person_wrote_without_a_quote_is_read(path: Path) -> None:
    path.write_text(f"{HEADER}\n,=x.png,drop,,-\n")
    assert read_overrides(path) == [Override("", "=x.png", "drop", "", "-")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{HEADER}\n,{'x' * 3_000_000},drop,,\n".encode(), id="a cell of 3 MB"),
        pytest.param(f"{HEADER}\n,x,{'y' * 100_000},,\n".encode(), id="an action of 100 kB"),
        pytest.param(f"{'x,' * 60_000}\n".encode(), id="60,000 columns"),
        pytest.param(f"{HEADER}\n,x\0,\0,,\n".encode(), id="NUL"),
        pytest.param(b"x" * (65 << 20), id="65 MB"),
    ],
)
def test_cells_without_end_are_one_short_line(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_overrides(path)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="no file"),
        pytest.param(f"{HEADER}\n", id="header alone"),
        pytest.param(f"{HEADER}\n\n\n", id="blank lines"),
    ],
)
def test_no_decision(path: Path, text: str) -> None:
    if text:
        path.write_text(text)
    assert read_overrides(path) == []


def test_what_a_spreadsheet_saved_is_read(path: Path) -> None:
    path.write_bytes(f"\ufeff{HEADER}\r\n{A.upper()},x/1.png, drop ,,\r\n".encode())
    assert read_overrides(path) == [Override(A, "x/1.png", "drop")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(
            f"{A},x,drop,", "line 2: 5 columns are allowed .*, got 4; put a text", id="a column is missing"
        ),
        pytest.param("abc,x,drop,,", "line 2, id: 64 hexadecimal digits or nothing .* got 'abc'", id="id"),
        pytest.param(",,drop,,", "line 2, key: an id or a key must name the file", id="no file"),
        pytest.param(
            f"{A},x,restor,,",
            "line 2, action: restore, drop, relabel are allowed, got 'restor' .did you mean restore",
            id="action",
        ),
        pytest.param(f"{A},x,relabel,,", "line 2, label: relabel needs a class folder", id="no label"),
        pytest.param(f"{A},x,drop,y,", "line 2, label: only relabel has one, got 'y' with drop", id="label"),
        pytest.param(
            f"{A},x,drop,,\n{A},y,restore,,",
            "line 3: y is decided on an earlier line .drop.",
            id="twice by id",
        ),
        pytest.param(",x,drop,,\n,x,drop,,", "line 3: x is decided on an earlier line", id="twice by key"),
        pytest.param(
            f'{A},"x,drop,,', "is not a CSV file in UTF-8: unexpected end of data", id="an open quote"
        ),
    ],
)
def test_a_bad_line_is_named(path: Path, line: str, message: str) -> None:
    path.write_text(f"{HEADER}\n{line}\n")
    with pytest.raises(DataError, match=message) as caught:
        read_overrides(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            b"id;key;action;label;note\n", "line 1: the columns must be id,key,action,label,note", id=";"
        ),
        pytest.param(b"", "line 1: .* got nothing", id="empty"),
        pytest.param(f"{HEADER}\n,\xe9,drop,,\n".encode("latin-1"), "not a CSV file in UTF-8", id="latin-1"),
    ],
)
def test_another_file_is_refused(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_overrides(path)


def test_a_line_after_a_key_with_a_line_break_has_its_own_number(path: Path) -> None:
    path.write_text(f'{HEADER}\n{A},"x\ny",drop,,\n{B},z,keep,,\n')
    with pytest.raises(DataError, match="line 4, action"):
        read_overrides(path)


def test_a_new_decision_replaces_that_about_the_same_picture() -> None:
    by_id, by_key, other = Override(A, "x/1", "drop"), Override("", "x/2", "drop"), Override(B, "x/3", "drop")
    renamed, known = Override(A, "y/9", "restore"), Override("c" * 64, "x/2", "restore")
    decided = add_decisions([by_id, by_key, other], [renamed, known])
    assert decided == [other, renamed, known]
    assert remove_decisions(decided, [other]) == [renamed, known]


def test_the_same_key_with_other_bytes_is_another_picture() -> None:
    assert add_decisions([Override(A, "x", "drop")], [Override(B, "x", "drop")]) != [Override(B, "x", "drop")]


def test_a_label_is_read_in_its_composed_form(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("id,key,action,label,note\n,x/1,relabel,Cafe\u0301,\n", encoding="utf-8")
    assert read_overrides(path) == [Override("", "x/1", "relabel", "Caf\xe9")]


def test_nearest_says_nothing_of_what_is_far() -> None:
    assert nearest("Sketsh", ["Sketch", "Photo"]) == " (did you mean Sketch?)"
    assert nearest("zzz", ["Sketch", "Photo"]) == ""
