"""The files that people ask about: what is listed, in which order, and what tells one list from another."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.serving.files import count_files, find_files, hash_files, split_list


def write(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def list_names(paths: list[Path], **more: object) -> list[str]:
    return [files.name(entry) for files in find_files(paths, **more) for entry in files.entries]  # type: ignore[arg-type]


def test_a_folder_is_in_the_order_of_its_names_whatever_the_disk_says(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", "c", ".hidden/x", "__MACOSX/y"):
        write(tmp_path / name)
    assert list_names([tmp_path]) == [f"{tmp_path}/{name}" for name in ("a", "b/1", "b/2", "c")]


def test_an_archive_is_in_the_order_of_its_bytes_and_so_are_its_contents(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("z", "a", "m"):
            archive.writestr(name, name)
    (found,) = find_files([tmp_path / "a.zip"])
    assert [entry.name for entry in found.entries] == ["z", "a", "m"]
    assert [content.data for content in found.read()] == [b"z", b"a", b"m"]
    assert [content.data for content in found.read(1)] == [b"a", b"m"]


def test_what_cannot_be_read_comes_first_and_is_skipped_alike(tmp_path: Path) -> None:
    for name in ("a", "b", "d"):
        write(tmp_path / name)
    os.mkfifo(tmp_path / "c")
    (found,) = find_files([tmp_path])
    names = [entry.name for entry in found.entries]
    assert names == ["c", "a", "b", "d"]
    for skip in range(5):
        assert [content.entry.name for content in found.read(skip)] == names[skip:]


def test_single_files_keep_their_names_and_share_one_container(tmp_path: Path) -> None:
    paths = [write(tmp_path / name) for name in ("b", "sub/a", "c")]
    (found,) = find_files(paths)
    assert [found.name(entry) for entry in found.entries] == list(map(str, paths))
    assert [found.below(entry) for entry in found.entries] == ["b", "a", "c"]


def test_files_and_folders_keep_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    single, inside, last = (write(tmp_path / name) for name in ("z", "folder/y", "a"))
    assert list_names([single, tmp_path / "folder", last]) == list(map(str, (single, inside, last)))


def test_what_the_command_writes_is_none_of_the_files(tmp_path: Path) -> None:
    own, other = write(tmp_path / "sub" / "x.csv.part"), write(tmp_path / "a")
    assert list_names([tmp_path], leave_out=[own]) == [str(other)]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        pytest.param(b"a\nb c\n", ["a", "b c"], id="lines"),
        pytest.param(b"a\r\n\r\n  \r\nb", ["a", "b"], id="of-windows-with-empty-lines"),
        pytest.param(b"a\nb\0c\0", ["a\nb", "c"], id="nul"),
        pytest.param(b"caf\xe9\n", ["caf\udce9"], id="no-utf-8"),
        pytest.param(b"", [], id="empty"),
    ],
)
def test_a_list_has_a_path_a_line_or_behind_each_nul(data: bytes, names: list[str]) -> None:
    assert split_list(data) == names


def test_a_path_of_a_list_that_is_gone_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    there = write(tmp_path / "a")
    found = find_files([there, "gone.png", "gone.zip", "no\0name"], may_be_missing=True)
    assert count_files(found) == 4
    refusals = [str(entry.refusal) for files in found for entry in files.entries]
    assert refusals[0] == "None"
    assert refusals[1].startswith("missing: ")
    assert refusals[2].startswith("unreadable: ")
    assert "gone.zip cannot be read" in found[1].fault


def test_a_hash_tells_lists_apart_and_is_the_same_for_the_same(tmp_path: Path) -> None:
    one, two = write(tmp_path / "in" / "a"), write(tmp_path / "in" / "b")

    def hashed(*paths: Path) -> str:
        return hash_files(find_files(paths))

    whole = hashed(tmp_path / "in")
    assert whole == hashed(tmp_path / "in")
    assert len({whole, hashed(one), hashed(two), hashed(one, two), hashed(two, one)}) == 5
    changes: list[Callable[[], object]] = [
        lambda: write(one, b"longer"),
        lambda: os.utime(one, (0, 0)),
        lambda: one.rename(tmp_path / "in" / "c"),
        lambda: write(tmp_path / "in" / "d"),
    ]
    for change in changes:
        change()
        before, whole = whole, hashed(tmp_path / "in")
        assert whole != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("nowhere", "nowhere does not exist; name images, folders", id="missing"),
        pytest.param("empty", "there is no file in .*empty", id="empty-folder"),
    ],
)
def test_a_place_without_files_is_an_error(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        find_files([tmp_path / name])
    with pytest.raises(SourceError, match="there is no file in the list"):
        find_files([], may_be_missing=True)
