"""Files in the folders of their answers: nothing is written over, and no name leads astray."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.serving.files import Files, find_files
from pipeline.serving.folders import Folders, Link, Places, make_name, name_folders
from pipeline.serving.predictions import Asked
from pipeline.sources import Entry
from pipeline.storage import lock


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def ask(*paths: Path) -> list[Asked]:
    return [Asked(files, entry) for files in find_files(paths) for entry in files.entries]


def ask_archive(tmp_path: Path, name: str, data: bytes) -> Asked:
    return Asked(Files(tmp_path / "a.zip", None), Entry(name, len(data), 0), data)


def list_files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places({"cat": tmp_path / "out" / "cat", "dog": tmp_path / "out" / "dog"})


def test_each_file_goes_to_its_answer_and_keeps_its_name(tmp_path: Path, places: Places) -> None:
    one, two, three = ask(
        *(write(tmp_path / "in" / name, name.encode()) for name in ("a.png", "b.png", "c.png"))
    )
    folders = Folders(places)
    assert folders.place(one, "cat") == str(tmp_path / "out/cat/a.png")
    folders.place(two, "dog")
    assert folders.place(three, "review") is None
    assert folders.place(three, None) is None
    assert list_files(tmp_path / "out") == {"cat/a.png": b"a.png", "dog/b.png": b"b.png"}


def test_files_of_one_name_get_names_of_their_own_and_repeating_changes_nothing(
    tmp_path: Path, places: Places
) -> None:
    """Also those of the same bytes: each file that was asked about is there."""
    names = {"1/a.png": b"x", "2/a.png": b"y", "3/a.png": b"x", "4/A.PNG": b"z", "5/a.png": b"u"}
    asked = ask(*(write(tmp_path / "in" / name, data) for name, data in names.items()))
    write(tmp_path / "out/cat/a-5.png", b"of the user")
    for _ in range(3):
        folders = Folders(places)
        for one in asked:
            folders.place(one, "cat")
        assert list_files(tmp_path / "out/cat") == {
            "a.png": b"x",
            "a-2.png": b"y",
            "a-3.png": b"x",
            "A-4.PNG": b"z",
            "a-5.png": b"of the user",
            "a-6.png": b"u",
        }


def test_a_run_that_continues_knows_the_places_of_its_first_part(tmp_path: Path, places: Places) -> None:
    one, two = ask(write(tmp_path / "1/a.png", b"x"), write(tmp_path / "2/a.png", b"x"))
    placed = Folders(places).place(one, "cat")
    folders = Folders(places)
    folders.remember(placed)
    folders.remember(None)
    assert folders.place(two, "cat") == str(tmp_path / "out/cat/a-2.png")


@pytest.mark.parametrize("link", ["copy", "hard", "sym"])
def test_a_file_is_copied_or_linked(link: Link, tmp_path: Path, places: Places) -> None:
    source = write(tmp_path / "in" / "a.png", b"x")
    os.utime(source, (1, 1))
    for _ in range(2):
        placed = Folders(Places(places.folders, link)).place(ask(source)[0], "cat")
        assert placed
        target = Path(placed)
        assert target.name == "a.png"
        assert target.is_symlink() == (link == "sym")
        assert source.samefile(target) == (link != "copy")
        assert target.stat().st_mtime == 1
        assert [one.name for one in target.parent.iterdir()] == ["a.png"]


def test_a_link_that_is_not_possible_says_what_to_do(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (asked,) = ask(write(tmp_path / "a.png", b"x"))
    with pytest.raises(StorageError, match=r"cannot be a hard link to .*; take --link copy or sym"):
        Folders(Places(places.folders, "hard")).place(asked, "cat")


def test_a_disk_without_links_takes_copies_all_the_same(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    one, two = ask(write(tmp_path / "1/a.png", b"x"), write(tmp_path / "2/a.png", b"y"))
    folders = Folders(places)
    folders.place(one, "cat")
    folders.place(two, "cat")
    assert list_files(tmp_path / "out/cat") == {"a.png": b"x", "a-2.png": b"y"}


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.png",
        "/etc/passwd",
        "a\\..\\b.png",
        f"{'x' * 400}.png",
        f"{'ä' * 300}.png",
        "..",
        "con.png",
        "a b. ",
        ".darkroom-x",
        "-rf",
        "a:b?*.png",
        "new\\x0aline.png",
    ],
)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path, places: Places) -> None:
    """A container refuses most of them; here each is taken as it comes."""
    placed = Folders(places).place(ask_archive(tmp_path, name, b"x"), "cat")
    assert placed
    assert Path(placed).resolve().parent == tmp_path / "out" / "cat"
    assert not Path(placed).name.startswith(".")
    assert list_files(tmp_path / "out") == {f"cat/{Path(placed).name}": b"x"}
    assert Folders(places).place(ask_archive(tmp_path, name, b"x"), "cat") == placed


def test_a_link_that_leads_nowhere_is_no_free_place(tmp_path: Path, places: Places) -> None:
    (tmp_path / "out/cat").mkdir(parents=True)
    (tmp_path / "out/cat/a.png").symlink_to(tmp_path / "elsewhere.png")
    (asked,) = ask(write(tmp_path / "in/a.png", b"x"))
    assert Folders(places).place(asked, "cat") == str(tmp_path / "out/cat/a-2.png")
    assert not (tmp_path / "elsewhere.png").exists()


def test_what_a_kill_left_half_copied_is_removed(tmp_path: Path, places: Places) -> None:
    write(tmp_path / "out/cat/.darkroom-0123", b"ha")
    Folders(places).place(ask(write(tmp_path / "a.png", b"x"))[0], "cat")
    assert list_files(tmp_path / "out/cat") == {"a.png": b"x"}


@pytest.mark.parametrize("has_links", [True, False], ids=["links", "no-links"])
def test_two_runs_that_sort_into_one_folder_lose_nothing(
    has_links: bool, tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins, and places a file of the same name, in the midst of a copy of the first."""
    copy = shutil.copyfile
    one, two = ask(write(tmp_path / "1/a.png", b"x"), write(tmp_path / "2/a.png", b"y"))
    placed = []

    def copy_and_look_away(source: Path, target: Path) -> None:
        copy(source, target)
        monkeypatch.setattr(shutil, "copyfile", copy)
        placed.append(Folders(places).place(two, "cat"))

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(shutil, "copyfile", copy_and_look_away)
    placed.append(Folders(places).place(one, "cat"))
    assert list_files(tmp_path / "out/cat") == {"a.png": b"y", "a-2.png": b"x"}
    assert placed == [str(tmp_path / "out/cat/a.png"), str(tmp_path / "out/cat/a-2.png")]


def test_where_a_disk_has_no_links_one_run_at_a_time_renames(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else tells two runs that a name is free for one of them only."""
    rename, tried = Path.rename, []

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    def try_turn(source: Path, target: Path) -> Path:
        with lock(target.with_name(".darkroom-turn")) as is_mine:
            tried.append(is_mine)
        return rename(source, target)

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "rename", try_turn)
    Folders(places).place(ask(write(tmp_path / "a.png", b"x"))[0], "cat")
    assert tried == [False]
    assert [path.name for path in (tmp_path / "out/cat").iterdir()] == ["a.png"]


def test_answers_become_folders_that_every_system_knows() -> None:
    answers = ["cat", "Cat", "a/b", "a_b", "..", "", "nul", "3", "review", "é" * 200, "a\u202eb", " x. "]
    named = name_folders(answers)
    assert [named[one] for one in answers[:9]] == [
        "cat", "Cat-2", "a_b", "a_b-2", "_", "_-2", "_nul", "3", "review",
    ]  # fmt: skip
    assert len({name.casefold() for name in named.values()}) == len(answers)
    assert all(len(name.encode()) <= 210 and "/" not in name for name in named.values())
    assert named[" x. "] == "x"
    assert "\u202e" not in named["a\u202eb"]


def test_a_name_keeps_its_suffix_where_it_is_cut() -> None:
    assert make_name("x" * 300 + ".jpeg").endswith("x.jpeg")
    assert len(make_name("x" * 300 + ".jpeg")) == 200
    assert make_name("scan 1.png") == "scan 1.png"
