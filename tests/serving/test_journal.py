"""The journal of a run: what is closed is kept, what is torn is done again, and nothing is mixed up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ParamsError
from pipeline.serving.journal import Journal, Origin, describe_place, open_journal

MINE = Origin("model", "options", "files")
BATCHES = [[{"file": "a"}, {"file": "b"}], [{"file": "c"}]]
ROWS = [row for batch in BATCHES for row in batch]


def write(rows: Iterator[dict[str, Any]], path: Path) -> None:
    path.write_text("".join(f"{row['file']}\n" for row in rows))


def fill(journal: Journal) -> None:
    with journal.extend() as add:
        for number, batch in enumerate(BATCHES):
            add(batch, {"number": number})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "x.csv"


@pytest.fixture
def path(out: Path) -> Path:
    return describe_place(out)


def test_a_run_that_ends_leaves_its_output_alone(out: Path, path: Path) -> None:
    with open_journal(path, out, MINE) as journal:
        assert (journal.n_rows, journal.state, journal.told) == (0, None, "")
        fill(journal)
        journal.finish(write)
        journal.remove()
    assert out.read_text() == "a\nb\nc\n"
    assert [one.name for one in out.parent.iterdir()] == ["x.csv"]


def test_it_continues_behind_the_last_closed_batch_wherever_it_was_cut(out: Path, path: Path) -> None:
    with open_journal(path, out, MINE) as journal:
        fill(journal)
    whole = path.read_bytes()
    closed = [0, *(place for place in range(len(whole)) if whole[:place].endswith(b"}}\n")), len(whole)]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with open_journal(path, out, MINE) as journal:
            n_batches = sum(place <= size for place in closed[1:])
            assert journal.n_rows == (0, 2, 3)[min(n_batches, 2)], size
            assert list(journal.read_rows()) == ROWS[: journal.n_rows]
            assert journal.state == (None, {"number": 0}, {"number": 1})[min(n_batches, 2)]
            with journal.extend() as add:
                add([{"file": "z"}], None)
            assert list(journal.read_rows()) == [*ROWS[: size and journal.n_rows - 1], {"file": "z"}]


def test_what_a_power_cut_left_is_done_again(out: Path, path: Path) -> None:
    with open_journal(path, out, MINE) as journal:
        fill(journal)
    for rest in (
        *(b"\0" * 100 + b"\n", b"[1]\n", b"{\n", b'{"a":' * 100_000 + b"\n", b"\xff\n"),
        *(
            b'{"closed": %s, "state": {}}\n' % n
            for n in (b'"x"', b"null", b"1e400", b"NaN", b"-1", b"4", b"[]")
        ),
        b'{"closed": 3}\n',
    ):
        with path.open("ab") as file:
            file.write(rest)
        with open_journal(path, out, MINE) as journal:
            assert journal.n_rows == 3
            with journal.extend():
                pass
        assert rest not in path.read_bytes()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(MINE._replace(model="m"), "another model", id="model"),
        pytest.param(MINE._replace(files="f"), "other files", id="files"),
        pytest.param(Origin("m", "o", "files"), "another model, other options", id="two"),
    ],
)
def test_answers_of_another_run_are_not_mixed_up(other: Origin, words: str, out: Path, path: Path) -> None:
    with open_journal(path, out, other) as journal:
        fill(journal)
    with open_journal(path, out, MINE) as journal:
        assert journal.told == f"{path} is of {words}: everything is answered anew"
        assert journal.n_rows == 0
        assert list(journal.read_rows()) == []
    with open_journal(path, out, MINE) as journal:
        assert journal.told == ""


def test_a_finished_output_is_never_written_over(out: Path, path: Path) -> None:
    out.parent.mkdir()
    out.write_text("mine")
    with pytest.raises(ParamsError, match="exists already, and is not written over; name another"):
        open_journal(path, out, MINE).__enter__()
    assert [one.name for one in out.parent.iterdir()] == ["x.csv"]
    out.unlink()
    with open_journal(path, out, MINE) as journal:
        fill(journal)
        out.write_text("mine")  # meanwhile
        with pytest.raises(ParamsError, match="exists already"):
            journal.finish(write)
    with pytest.raises(ParamsError, match="exists already"):
        open_journal(path, out, MINE).__enter__()
    assert out.read_text() == "mine"
    out.unlink()
    with open_journal(path, out, MINE) as journal:
        assert journal.n_rows == 3
        journal.finish(write)
    assert out.read_text() == "a\nb\nc\n"


def test_a_run_killed_before_it_removed_its_journal_is_finished(out: Path, path: Path) -> None:
    with open_journal(path, out, MINE) as journal:
        fill(journal)
        journal.finish(write)
    with open_journal(path, out, MINE) as journal:
        assert journal.is_finished
        assert list(journal.read_rows()) == ROWS
    out.write_text("changed")
    with pytest.raises(ParamsError, match="exists already"):
        open_journal(path, out, MINE).__enter__()


@pytest.mark.parametrize("data", [b"half of a download", b'{"darkroom"}\n', b"{}\n" * 3])
def test_a_file_of_something_else_is_left_alone(data: bytes, out: Path, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(ParamsError, match="is in the way: it is no journal"):
        open_journal(path, out, MINE).__enter__()
    assert path.read_bytes() == data


@pytest.mark.parametrize("rest", [b"", b", }", b', "model": "\xff"}', b', "x": ' + b"[" * 3000])
def test_a_journal_with_a_damaged_first_line_is_begun_anew(rest: bytes, out: Path, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"darkroom predict": 1' + rest + b'\n{"file": "a"}\n{"closed": 1, "state": null}\n')
    with open_journal(path, out, MINE) as journal:
        assert journal.told == f"{path} is damaged: everything is answered anew"
        assert journal.n_rows == 0
        fill(journal)
    with open_journal(path, out, MINE) as journal:
        assert list(journal.read_rows()) == ROWS


def test_a_journal_lies_beside_what_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert describe_place(Path("a/sorted")) == Path("a/sorted.part")
    assert describe_place(Path()) == tmp_path.with_name(f"{tmp_path.name}.part")
    (tmp_path / "a").mkdir()
    assert describe_place(Path("a/..")) == tmp_path.with_name(f"{tmp_path.name}.part")
    with pytest.raises(ParamsError, match="is a whole file system; name a folder in it"):
        describe_place(Path("/"))


def test_two_processes_do_not_write_one_journal(out: Path, path: Path) -> None:
    with open_journal(path, out, MINE), pytest.raises(ParamsError, match="another `darkroom predict`"):
        open_journal(path, out, MINE).__enter__()


def test_the_first_line_says_whose_answers_these_are(out: Path, path: Path) -> None:
    with open_journal(path, out, MINE):
        assert json.loads(path.read_text()) == {"darkroom predict": 1, **MINE._asdict()}
