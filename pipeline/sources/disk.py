"""Folders and single files on disk."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from pipeline.errors import SourceError
from pipeline.refusals import Refusal
from pipeline.sources.containers import Container, Content, Entry, escape_name


@dataclass(frozen=True)
class Folder(Container):
    """A folder on disk, or one file of it; an entry's handle is its path."""

    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        for entry in entries:
            try:
                yield Content(entry, Path(entry.handle).read_bytes())
            except OSError as error:
                yield Content(entry, b"", Refusal("unreadable", str(error.strerror)))

    def open(self, entry: Entry) -> AbstractContextManager[IO[bytes]]:
        """A binary stream of one file; raises OSError."""
        return Path(entry.handle).open("rb")


def wrap_file(path: Path) -> Folder:
    """One file as a container of one entry."""
    return Folder(path, (Entry(escape_name(path.name), path.stat().st_size, str(path)),))


def list_folder(path: Path) -> Folder:
    """All files and folders below a folder; a sub-folder that cannot be listed is an unreadable entry.

    Raises:
        SourceError: the folder itself cannot be listed.
    """
    root = os.path.realpath(path)
    entries: list[Entry] = []
    folders: set[str] = set()
    waiting = [root]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as found:
                for item in found:
                    name = escape_name(item.path[len(root) :].lstrip("/"))
                    if item.is_dir(follow_symlinks=False):
                        folders.add(name)
                        waiting.append(item.path)
                    else:
                        entries.append(_make_entry(item, name, root))
        except OSError as error:
            if here == root:
                raise SourceError(f"the source {path} cannot be listed: {error.strerror}") from None
            name = escape_name(here[len(root) :].lstrip("/"))
            entries.append(Entry(name, 0, here, Refusal("unreadable", f"a folder: {error.strerror}")))
    return Folder(path, entries, frozenset(folders))


def _make_entry(item: os.DirEntry[str], name: str, root: str) -> Entry:
    """An entry for what is not a folder, decided by `stat` alone, because opening a fifo would hang."""
    entry = Entry(name, 0, item.path)
    if item.is_symlink() and not Path(os.path.realpath(item.path)).is_relative_to(root):
        return replace(entry, refusal=Refusal("outside_source", "a link that leads outside the source"))
    try:
        status = item.stat()
    except OSError as error:
        return replace(entry, refusal=Refusal("unreadable", str(error.strerror)))
    if stat.S_ISREG(status.st_mode):
        return replace(entry, n_bytes=status.st_size)
    what = "a link to a folder" if stat.S_ISDIR(status.st_mode) else "a device, socket or fifo"
    return replace(entry, refusal=Refusal("special_file", f"{what}, not a file"))
