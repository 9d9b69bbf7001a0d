"""confirmed_labels.csv: stable bytes, one line a picture, and a confirmation ends where the label changes."""

from pathlib import Path

import pytest

from pipeline.collection.confirmed_labels import (
    Confirmed,
    ConfirmedLabels,
    add_confirmed,
    read_confirmed,
    remove_confirmed,
    write_confirmed,
)
from pipeline.errors import DataError

A, B = "a" * 64, "b" * 64
HEADER = "id,key,label,note"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "confirmed_labels.csv"


def test_the_same_labels_are_the_same_bytes(path: Path) -> None:
    labels = [Confirmed(B, "y.png", "dog", "a, b"), Confirmed(A, "=x.png", "café")]
    write_confirmed(labels, path)
    first = path.read_bytes()
    assert first.decode() == f'{HEADER}\n{A},\'=x.png,café,\n{B},y.png,dog,"a, b"\n'
    read = read_confirmed(path)
    assert set(read) == set(labels)
    write_confirmed(reversed(read), path)
    assert path.read_bytes() == first


def test_no_label(path: Path) -> None:
    assert read_confirmed(path) == []
    write_confirmed([], path)
    assert (path.read_text(), read_confirmed(path)) == (f"{HEADER}\n", [])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param((A, "elsewhere.png", "dog"), True, id="by id, renamed"),
        pytest.param((A, "x.png", "cat"), False, id="another label by now"),
        pytest.param((B, "y.png", "cat"), True, id="by key, as there is no id"),
        pytest.param((B, "x.png", "dog"), False, id="another picture under the key"),
        pytest.param((B, "z.png", "cafe\N{COMBINING ACUTE ACCENT}"), True, id="in Unicode's other form"),
    ],
)
def test_what_is_covered(asked: tuple[str, str, str], expected: bool) -> None:
    known = [Confirmed(A, "x.png", "dog"), Confirmed("", "y.png", "cat"), Confirmed("", "z.png", "café")]
    assert ConfirmedLabels(known).covers(*asked) is expected


def test_a_new_label_replaces_that_of_the_same_picture_and_keeps_its_note() -> None:
    old = [Confirmed(A, "x.png", "dog", "seen"), Confirmed(B, "y.png", "cat")]
    assert add_confirmed(old, [Confirmed(A, "x.png", "dog")]) == [old[1], old[0]]
    assert add_confirmed(old, [Confirmed(A, "x.png", "cat")]) == [old[1], Confirmed(A, "x.png", "cat")]
    assert remove_confirmed(old, [(A, "x.png")]) == [old[1]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("abc,x,dog,", "line 2, id: 64 hexadecimal digits or nothing .* got 'abc'", id="id"),
        pytest.param(",,dog,", "line 2, key: an id or a key must name the picture, got neither", id="no key"),
        pytest.param(f"{A},x,,", "line 2, label: the class that is right, got nothing", id="no label"),
        pytest.param(f"{A},x,dog", "line 2: 4 columns are allowed", id="a column is missing"),
        pytest.param(f"{A},x,dog,\n{A},y,cat,", "line 3: y is confirmed on an earlier line", id="twice"),
    ],
)
def test_a_bad_line_is_named(line: str, message: str, path: Path) -> None:
    path.write_text(f"{HEADER}\n{line}\n")
    with pytest.raises(DataError, match=f"^confirmed_labels.csv {message}") as caught:
        read_confirmed(path)
    assert "\n" not in str(caught.value)
