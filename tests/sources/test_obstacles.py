"""What stops DVC before any stage: named at once, and never opened."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.params import Params
from pipeline.sources.obstacles import MAX_FOUND, find_obstacles
from tests.conftest import ParamsOf
from tests.effort import limit_effort
from tests.sources.test_sources import folder_of

Make = Callable[[Path], object]


def link(name: str, target: str) -> Make:
    return lambda root: (root / name).symlink_to(target)


def name_badly(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/A/caf\xe9.png")).write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "name", "kind"),
    [
        pytest.param(link("A/gone.png", "nothing"), "A/gone.png", "dangling_link", id="dangling"),
        pytest.param(link("A/loop.png", "loop.png"), "A/loop.png", "dangling_link", id="loop"),
        pytest.param(lambda root: os.mkfifo(root / "A" / "pipe"), "A/pipe", "special_file", id="fifo"),
        pytest.param(link("A/null", "/dev/null"), "A/null", "special_file", id="link to a device"),
        pytest.param(name_badly, "A/caf\\xe9.png", "not_utf8", id="not UTF-8"),
        pytest.param(
            lambda root: (root / ".git" / "x").symlink_to("gone"),
            ".git/x",
            "dangling_link",
            id="in ignored folders",
        ),
        pytest.param(
            lambda root: (root / "A" / ".dvcignore").write_text(""),
            "A/.dvcignore",
            "dvcignore",
            id="dvcignore",
        ),
    ],
)
def test_what_stops_dvc_is_named(
    tmp_path: Path, params_of: ParamsOf, make: Make, name: str, kind: str
) -> None:
    folder_of(tmp_path, {"A/x.png": b"1", "B/y.png": b"2", ".git/z": b""})
    assert find_obstacles(tmp_path, params_of().data) == []
    make(tmp_path)
    (found,) = find_obstacles(tmp_path, params_of().data)
    assert (found.name, found.kind, found.is_fatal) == (name, kind, True)
    assert str(found).startswith(f"{name}: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(tmp_path: Path, params_of: ParamsOf) -> None:
    folder_of(tmp_path, {"A/x.png": b"1", "B/y.png": b"2"})
    (tmp_path / "A" / "x.png").chmod(0)
    (tmp_path / "B").chmod(0)
    found = find_obstacles(tmp_path, params_of().data)
    (tmp_path / "B").chmod(0o755)
    assert [(one.name, one.kind) for one in found] == [("A/x.png", "unreadable"), ("B", "unreadable")]


def test_the_source_itself(tmp_path: Path, params_of: ParamsOf) -> None:
    params: Params = params_of()
    (tmp_path / "s").symlink_to("gone")
    os.mkfifo(tmp_path / "f.zip")
    (tmp_path / "real.zip").write_bytes(b"")
    kinds = {
        name: [one.kind for one in find_obstacles(tmp_path / name, params.data)]
        for name in ("nothing", "s", "f.zip", "real.zip", "x" * 300)
    }
    assert kinds == {
        "nothing": ["missing"],
        "s": ["missing"],
        "f.zip": ["special_file"],
        "real.zip": [],
        "x" * 300: ["unreadable"],
    }


def test_links_to_folders_matter_where_they_are_followed(tmp_path: Path, params_of: ParamsOf) -> None:
    folder_of(tmp_path, {"A/x.png": b"1", "B/y.png": b"2"})
    (tmp_path / "C").symlink_to("A")
    assert find_obstacles(tmp_path, params_of().data) == []
    (found,) = find_obstacles(tmp_path, params_of(data={"follow_links": True}).data)
    assert (found.name, found.kind, found.is_fatal) == ("C", "folder_link", False)


def test_many_are_cut_and_many_files_are_quick(tmp_path: Path, params_of: ParamsOf) -> None:
    for i in range(MAX_FOUND + 20):
        (tmp_path / f"{i:04d}").symlink_to("gone")
    assert len(find_obstacles(tmp_path, params_of().data)) == MAX_FOUND
    folder_of(tmp_path / "many", {f"A/{i}": b"" for i in range(5000)})
    with limit_effort(100):
        assert find_obstacles(tmp_path / "many", params_of().data) == []
