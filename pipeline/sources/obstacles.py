"""What in a source stops DVC before any stage runs, or escapes its notice.

DVC hashes every file of a folder that a stage depends on, also those that `data.ignore` leaves out. It opens
fifos and waits for ever, and fails on dangling links and on names that are not UTF-8, none of it in words.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.params import DataParams
from pipeline.sources.containers import escape_name

MAX_FOUND = 100


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something in the way of DVC at `name` (the path inside the source, "" for the source itself).

    Attributes:
        kind: missing | dangling_link | special_file | not_utf8 | unreadable | dvcignore (DVC fails), or
            folder_link (DVC works, and does not see what changes behind the link).
        detail: what is there, and what to do.
    """

    name: str
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name or 'the source'}: {self.detail}"

    @property
    def is_fatal(self) -> bool:
        """Whether `dvc repro` fails or hangs on it."""
        return self.kind != "folder_link"


def find_obstacles(path: Path, section: DataParams) -> list[Obstacle]:
    """The first MAX_FOUND obstacles at `path`, sorted by name; no file is opened.

    Args:
        section: `data` of params.yaml. Links to folders are told of only where `follow_links` reads them.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        what = "a link to nothing" if path.is_symlink() else "there is nothing"
        return [
            Obstacle("", "missing", f"{what} at {escape_name(str(path))}; set data.source in params.yaml")
        ]
    except OSError as error:
        return [Obstacle("", "unreadable", f"{error.strerror}; set data.source in params.yaml")]
    if not stat.S_ISDIR(mode):
        found = _judge_file(str(path), mode)
        return [Obstacle("", *found)] if found else []
    walk = _walk(str(path), section.follow_links)
    return sorted((one for one, _ in zip(walk, range(MAX_FOUND), strict=False)), key=lambda one: one.name)


def _walk(root: str, follow_links: bool) -> Iterator[Obstacle]:
    waiting = [root]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as found:
                items = sorted(found, key=lambda item: item.name)
        except OSError as error:
            yield Obstacle(_name(here, root), "unreadable", f"a folder: {error.strerror}; allow reading it")
            continue
        for item in items:
            name = _name(item.path, root)
            if judged := _judge(item, follow_links):
                yield Obstacle(name, *judged)
            if item.is_dir(follow_symlinks=False):
                waiting.append(item.path)


def _name(path: str, root: str) -> str:
    return escape_name(path[len(root) :].lstrip("/"))


def _judge(item: os.DirEntry[str], follow_links: bool) -> tuple[str, str] | None:
    """(kind, detail) of what is wrong with an item of a folder; None: nothing."""
    try:
        item.name.encode()
    except UnicodeEncodeError:
        return (
            "not_utf8",
            "its name is not UTF-8, which DVC cannot record; rename it, or pack the source as a tar",
        )
    if item.name == ".dvcignore":
        return "dvcignore", "DVC takes no such file inside data; move it away"
    if item.is_dir(follow_symlinks=False):
        return None
    try:
        mode = item.stat().st_mode
    except OSError as error:
        what = "a link to nothing" if item.is_symlink() else str(error.strerror)
        return ("dangling_link" if item.is_symlink() else "unreadable"), f"{what}; remove or mend it"
    if stat.S_ISDIR(mode):
        detail = (
            "a link to a folder: DVC does not see changes behind it; run `dvc repro -f validate` after one"
        )
        return ("folder_link", detail) if follow_links else None
    return _judge_file(item.path, mode)


def _judge_file(path: str, mode: int) -> tuple[str, str] | None:
    if not stat.S_ISREG(mode):
        return "special_file", "a device, socket or fifo, on which DVC waits for ever; move it away"
    if not os.access(path, os.R_OK):
        return "unreadable", "it may not be read; allow reading it"
    return None
