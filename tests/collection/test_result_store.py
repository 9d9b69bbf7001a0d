"""The store of results: whole or absent, checked, bounded, shared, and never needed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.collection.result_store import ResultStore, read_limit
from pipeline.errors import ParamsError

# What a process of its own does: `argv` is the folder and a first number.
WRITE = """
import sys
from pathlib import Path
from pipeline.collection.result_store import ResultStore
with ResultStore(Path(sys.argv[1])) as store:
    shelf = store.shelf("numbers")
    for i in range(int(sys.argv[2]), int(sys.argv[2]) + {n}):
        shelf.put(str(i), str(i).encode() * 100)
        if i % 50 == 0:
            store.flush()
            print(i, flush=True)
"""
Body = Callable[[int], bytes]


def body(number: int) -> bytes:
    return str(number).encode() * 100


def fill(folder: Path, numbers: range, size: int = 10_000) -> None:
    with ResultStore(folder) as store:
        shelf = store.shelf("numbers")
        for i in numbers:
            shelf.put(str(i), bytes([i % 256]) * size)


def find_all(folder: Path, numbers: range) -> list[bytes | None]:
    with ResultStore(folder) as store:
        shelf = store.shelf("numbers")
        return [shelf.find(str(i)) for i in numbers]


def write_in_process(folder: Path, first: int, n: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITE.format(n=n), str(folder), str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_was_put_is_found_in_the_next_run(tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store:
        one, other = store.shelf("a", 1), store.shelf("a", 2)
        assert one.is_empty
        one.put("x", b"1")
        assert one.find("x") is None, "it is written with others"
        store.flush()
        assert one.find("x") == b"1"
        assert other.find("x") is None, "what was computed otherwise"
        other.put("x", b"")
    with ResultStore(tmp_path) as store:
        assert not store.shelf("a", 1).is_empty
        assert store.shelf("a", 2).find("x") == b""
        assert store.shelf("a", 3).is_empty


def test_what_was_found_is_replaced(tmp_path: Path) -> None:
    """As a whole: another process finds the one or the other."""
    with ResultStore(tmp_path) as store:
        store.shelf("a").put("x", b"1")
    with ResultStore(tmp_path) as store, ResultStore(tmp_path) as other:
        shelf = store.shelf("a")
        assert shelf.find("x") == b"1"
        shelf.put("x", b"2")
        store.flush()
        assert shelf.find("x") == b"1", "put does not write again what is used"
        shelf.replace("x", b"33")
        assert other.shelf("a").find("x") == b"1"
        store.flush()
        assert other.shelf("a").find("x") == b"33"
    with ResultStore(tmp_path) as store:
        assert store.shelf("a").find("x") == b"33"


def test_without_a_folder_or_room_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0")
    for folder in (None, tmp_path):
        with ResultStore(folder) as store:
            store.shelf("a").put("x", b"1")
            store.flush()
            assert store.shelf("a").find("x") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["-1", "much", "1e400", "nan", "1 GB"])
def test_a_size_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("DARKROOM_CACHE_GB", said)
    with pytest.raises(ParamsError, match="a number of gigabytes, 0 or more"), ResultStore(tmp_path):
        pass


def test_the_size_by_default_leaves_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DARKROOM_CACHE_GB", raising=False)
    assert 0 < read_limit(tmp_path) <= 20 * 10**9
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0.5")
    assert read_limit(tmp_path) == 5 * 10**8


def test_two_processes_at_once(tmp_path: Path) -> None:
    both = [write_in_process(tmp_path, first, 1000) for first in (0, 1000)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert ([process.returncode for process in both], said) == ([0, 0], ["", ""])
    assert find_all(tmp_path, range(2000)) == [body(i) for i in range(2000)]


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """What it had written is whole, what it had not is absent, and the next run goes on."""
    for n_lines in (1, 4, 9):
        with write_in_process(tmp_path, 0, 10**6) as process:
            assert process.stdout
            last = [int(process.stdout.readline()) for _ in range(n_lines)][-1]
            os.kill(process.pid, signal.SIGKILL)
        found = find_all(tmp_path, range(last + 5000))
        assert found[: last + 1] == [body(i) for i in range(last + 1)]
        assert all(one in (None, body(i)) for i, one in enumerate(found))


def test_a_damaged_entry_counts_as_absent(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        rows = db.execute("SELECT at, body FROM body ORDER BY at").fetchall()
        for at, whole in rows[1:]:
            flipped = bytearray(whole)
            flipped[5000] ^= 1
            db.execute("UPDATE body SET body = ? WHERE at = ?", (bytes(flipped) if at > 2 else "text", at))
        db.commit()
    assert find_all(tmp_path, range(3)) == [b"\0" * 10_000, None, None]
    fill(tmp_path, range(3))
    assert find_all(tmp_path, range(3)) == [bytes([i]) * 10_000 for i in range(3)]


def test_a_body_in_the_place_of_another_is_not_taken(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        db.execute("UPDATE entry SET at = 3 - at")
        db.commit()
    assert find_all(tmp_path, range(2)) == [None, None]


@pytest.mark.parametrize("where", [0, 4096])
def test_a_damaged_file_is_made_anew(tmp_path: Path, where: int, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, range(200))
    file = tmp_path / "results.db"
    with file.open("r+b") as opened:
        opened.seek(where)
        opened.write(b"\xa5" * 20_000)
    found = find_all(tmp_path, range(200))
    assert all(one in (None, bytes([i]) * 10_000) for i, one in enumerate(found))
    assert len(caplog.records) == 1, caplog.text
    fill(tmp_path, range(200))
    assert find_all(tmp_path, range(200)) == [bytes([i]) * 10_000 for i in range(200)]


def test_the_file_of_another_version_is_made_anew(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        db.execute("PRAGMA application_id = 7")
    assert find_all(tmp_path, range(2)) == [None, None]
    fill(tmp_path, range(2))
    assert None not in find_all(tmp_path, range(2))


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0.001")
    fill(tmp_path, range(40))
    fill(tmp_path, range(40, 80))
    assert None not in find_all(tmp_path, range(20)), "this uses them"
    fill(tmp_path, range(80, 120))
    found = find_all(tmp_path, range(120))
    assert None not in found[:20]
    assert None not in found[80:]
    assert found[20:25] == [None] * 5
    assert (tmp_path / "results.db").stat().st_size <= 1.1e6


def test_a_collection_that_is_too_large_keeps_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run removes nothing that it has used itself, so the same part is found each time."""
    caplog.set_level("INFO")
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0.02")
    for _ in range(3):
        caplog.clear()
        with ResultStore(tmp_path) as store:
            shelf = store.shelf("numbers")
            known = [shelf.find(str(i)) is not None for i in range(6000)]
            for i in range(6000):
                shelf.put(str(i), bytes(10_000))
        assert caplog.text.count("DARKROOM_CACHE_GB") == 1
    assert 1000 < sum(known) <= 2000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2.2e7


def test_a_smaller_size_shrinks_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, range(300))
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0.001")
    fill(tmp_path, range(300, 310))
    assert (tmp_path / "results.db").stat().st_size <= 1.1e6
    assert None not in find_all(tmp_path, range(300, 310))


@pytest.mark.parametrize("obstacle", ["a file for its folder", "a folder for its file"])
def test_where_it_cannot_lie(tmp_path: Path, obstacle: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "results"
    if obstacle == "a file for its folder":
        folder.write_bytes(b"")
    else:
        (folder / "results.db").mkdir(parents=True)
    fill(folder, range(3))
    assert len(caplog.records) == 1, caplog.text
    assert "the store of results is not used, so files are read anew" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_access(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o555)
    fill(tmp_path, range(3))
    assert len(caplog.records) == 1


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Here files may not grow beyond 300 kB, as on a full disk."""
    code = """
import logging, resource, sys
from pathlib import Path
from pipeline.collection.result_store import ResultStore
logging.basicConfig()
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with ResultStore(Path(sys.argv[1])) as store:
    shelf = store.shelf("numbers")
    for i in range(300):
        shelf.put(str(i), bytes(10_000))
        if i % 10 == 0:
            store.flush()
    print(shelf.find("5"))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "None"), done.stderr
    assert done.stderr.count("\n") == 1
    assert "the store of results is not used" in done.stderr
    fill(tmp_path, range(40))
    assert None not in find_all(tmp_path, range(40))


def test_another_process_that_writes_for_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.collection.result_store._BUSY_S", 0.1)
    with ResultStore(tmp_path) as store:
        shelf = store.shelf("numbers")
        with closing(sqlite3.connect(tmp_path / "results.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            shelf.put("1", b"1")
            start = time.monotonic()
            store.flush()
            assert time.monotonic() - start < 60
            other.execute("ROLLBACK")
        assert shelf.find("1") is None
        shelf.put("2", b"2")
    with ResultStore(tmp_path) as store:
        assert store.shelf("numbers").find("2") == b"2"
