"""Files arrive whole and synced, or not at all with one line; nothing half-written is left."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StorageError
from pipeline.storage import lock, make_folder, remove_leftovers, sync_folder, translate_errors, write_whole

HOLD = """
import sys, time
from pathlib import Path
from pipeline.storage import write_whole
with write_whole(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    time.sleep(60)
"""


def put_file_for_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def test_a_file_arrives_whole_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with write_whole(path) as temporary:
        temporary.write_text("all")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "all"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with write_whole(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_dvc_linked_from_its_cache_is_not_edited_in_place(tmp_path: Path) -> None:
    cached, path = tmp_path / "cached", tmp_path / "a.txt"
    cached.write_text("cached")
    os.link(cached, path)
    with write_whole(path) as temporary:
        temporary.write_text("new")
    assert (cached.read_text(), path.read_text()) == ("cached", "new")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_the_disk_says_is_one_line_and_the_old_file_stays(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with write_whole(path) as temporary:
            temporary.write_text("half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError, match=f"a.txt cannot be written: {os.strerror(number)}; .*") as caught:
        fail()
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["fsync", "open"])
def test_a_failure_of_the_system_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(StorageError, match="disk may be failing"), write_whole(tmp_path / "a.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """/dev/full is a device, so it is written to as it is."""
    (tmp_path / "full").symlink_to("/dev/full")
    with (
        pytest.raises(StorageError, match="No space left on device; free space"),
        write_whole(tmp_path / "full") as same,
    ):
        same.write_text("x")
    assert (tmp_path / "full").is_symlink()


def test_a_folder_that_is_removed_meanwhile_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "a.txt"

    def remove() -> None:
        with write_whole(path) as temporary:
            temporary.unlink()
            path.parent.rmdir()

    with pytest.raises(StorageError, match="a folder was removed meanwhile; run it again"):
        remove()
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: path.mkdir(), "a folder lies where the file should be", id="folder"),
        pytest.param(put_file_for_folder, "a file lies where a folder should be", id="file"),
    ],
)
def test_what_lies_in_the_way_is_one_line(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "folder" / "a.txt"
    path.parent.mkdir()
    make(path)
    with pytest.raises(StorageError, match=words), write_whole(path) as temporary:
        temporary.write_text("x")
    assert not list(tmp_path.glob("**/.darkroom-*"))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="a file lies where a folder should be"):
        make_folder(tmp_path / "file" / "folder")


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 251 + ".txt")
    with write_whole(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"
    with pytest.raises(StorageError, match="choose a shorter name"), write_whole(tmp_path / ("a" * 256)):
        pass
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_may_be_read_by_whom_the_user_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    with write_whole(tmp_path / "a.keras") as temporary:
        assert temporary.suffix == ".keras"
    os.umask(before)
    assert (tmp_path / "a.keras").stat().st_mode & 0o777 == 0o644


def test_the_file_and_its_name_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, int]] = []
    real = os.fsync

    def note(opened: int) -> None:
        path = Path(f"/proc/self/fd/{opened}").resolve()
        synced.append((path.name, path.stat().st_size if path.is_file() else -1))
        real(opened)

    monkeypatch.setattr(os, "fsync", note)
    with write_whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("all")
    assert synced == [(temporary.name, 3), (tmp_path.name, -1)]


def test_a_folder_that_may_not_be_read_can_still_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    folder.chmod(0o300)
    with write_whole(folder / "a.txt") as temporary:
        temporary.write_text("x")
    folder.chmod(0o700)
    assert (folder / "a.txt").read_text() == "x"


def test_a_failed_sync_of_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="removed meanwhile"), translate_errors(tmp_path):
        sync_folder(tmp_path / "none")


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "theirs.txt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as living:
        assert living.stdout is not None
        name = living.stdout.readline().strip()
        (tmp_path / ".darkroom-0123.txt").write_text("half")
        with write_whole(tmp_path / "mine.txt") as temporary:
            temporary.write_text("x")
        assert {path.name for path in tmp_path.iterdir()} == {name, "mine.txt"}
        living.kill()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt"}


def test_a_lock_that_its_holder_removes_is_made_anew_by_whoever_waited(tmp_path: Path) -> None:
    path, waits, entered = tmp_path / "a.lock", threading.Event(), threading.Event()

    def wait() -> None:
        with lock(path, on_wait=waits.set) as is_held:
            assert is_held
            entered.set()
            with lock(path) as is_held_twice:
                assert not is_held_twice

    waiter = threading.Thread(target=wait)
    with lock(path) as is_held:
        assert is_held
        waiter.start()
        assert waits.wait(10)
        path.unlink()
        assert not entered.is_set()
    waiter.join(10)
    assert entered.is_set()
    assert path.exists()
