"""Folders and single files on disk."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from pipeline.errors import SourceError, one_line
from pipeline.refusals import Refusal
from pipeline.sources.containers import Container, Content, Entry, escape_name, make_entry
from pipeline.sources.stamps import stamp_file


@dataclass(frozen=True)
class Folder(Container):
    """A folder on disk, or one file of it; an entry's handle is its path."""

    where: Path
    can_travel = True

    def take(self, entries: Sequence[Entry]) -> "Folder":
        """As of any container; paths become absolute. Files of any folders have no place of their own."""
        where = Path(os.path.abspath(self.where)) if self.where.parts else Path("/")  # noqa: PTH100
        return Folder(where, [replace(one, handle=os.path.abspath(one.handle)) for one in entries])  # noqa: PTH100

    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        for entry in entries:
            try:
                with Path(entry.handle).open("rb") as file:
                    stamp = stamp_file(entry.handle, os.fstat(file.fileno()))
                    data = file.read()
            except OSError as error:
                yield Content(entry, b"", Refusal("unreadable", str(error.strerror)))
            else:
                yield Content(entry, data, stamp=stamp)

    def stamp(self, entry: Entry) -> str:
        """As `stamp_file`; "" for a file that cannot be looked at."""
        try:
            return stamp_file(entry.handle, os.stat(entry.handle))  # noqa: PTH116
        except OSError:
            return ""

    def open(self, entry: Entry) -> AbstractContextManager[IO[bytes]]:
        """A binary stream of one file; raises OSError."""
        return Path(entry.handle).open("rb")


def wrap_file(path: Path) -> Folder:
    """One file as a container of one entry."""
    return Folder(path, (Entry(escape_name(path.name), path.stat().st_size, str(path)),))


def wrap_files(names: Iterable[str]) -> Folder:
    """Files of any folders as one container, in their order; each is called by its path as it was given."""
    return Folder(Path(), tuple(map(_make_named, names)))


def _make_named(name: str) -> Entry:
    try:
        status = os.stat(name)  # noqa: PTH116 (a Path for each file would cost as much again)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        is_missing = isinstance(error, FileNotFoundError)
        refusal = Refusal("missing" if is_missing else "unreadable", one_line(error))
        return Entry(escape_name(name), 0, name, refusal)
    return make_entry(escape_name(name), status.st_size, name, stat.S_ISREG(status.st_mode))


def list_folder(path: Path, *, follow_links: bool = False) -> Folder:
    """All files and folders below a folder; a sub-folder that cannot be listed is an unreadable entry.

    Args:
        follow_links: also list what links to folders lead to, and read links that lead outside. Every folder
            is listed once, so a link that leads back is a refused entry, and no loop is endless.

    Raises:
        SourceError: the folder itself cannot be listed.
    """
    listing = _Listing(os.path.realpath(path), follow_links)
    try:
        listing.list_below(listing.root)
    except OSError as error:
        raise SourceError(f"the source {path} cannot be listed: {error.strerror}") from None
    listing.follow_all()
    return Folder(
        path, listing.entries, frozenset(listing.folders), folder_links=frozenset(listing.folder_links)
    )


@dataclass
class _Listing:
    """What was found so far below `root`, a real path."""

    root: str
    follow_links: bool
    entries: list[Entry] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    folder_links: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)  # paths of links to folders
    listed: dict[tuple[int, int], str] = field(default_factory=dict)  # device and number of a folder -> name

    def name(self, path: str) -> str:
        """The name of what lies at a path."""
        return escape_name(path[len(self.root) :].lstrip("/"))

    def list_below(self, start: str) -> None:
        """List a folder and all real folders below it; raises OSError if `start` cannot be listed."""
        stack = [start]
        while stack:
            here = stack.pop()
            try:
                with os.scandir(here) as found:
                    self._note(here)
                    stack += [path for item in found if (path := self._take(item))]
            except OSError as error:
                if here == self.root:
                    raise
                refusal = Refusal("unreadable", f"a folder: {error.strerror}")
                self.entries.append(Entry(self.name(here), 0, here, refusal))

    def follow_all(self) -> None:
        """List what the links to folders lead to, links behind links too, in the order of their names."""
        while self.waiting:
            self.waiting.sort(reverse=True)
            path = self.waiting.pop()
            name, known = self.name(path), self._find_listed(path)
            if known is None:
                self.folders.add(name)
                self.list_below(path)
            else:
                self._refuse_link(path, f"a link to a folder that is read already: {known or 'the source'}")

    def _take(self, item: os.DirEntry[str]) -> str:
        """Take up one file; returns the path of a real folder that is to be listed, or ""."""
        name = self.name(item.path)
        if item.is_dir(follow_symlinks=False):
            known = self._find_listed(item.path) if self.follow_links else None
            if known is None:
                self.folders.add(name)
                return item.path
            self._refuse_link(item.path, f"a folder that is read already: {known or 'the source'}")
        elif item.is_symlink() and Path(item.path).is_dir():
            if self.follow_links:
                self.waiting.append(item.path)
            else:
                self._refuse_link(item.path, "a link to a folder, which is not followed")
        else:
            self.entries.append(self._make_entry(item, name))
        return ""

    def _make_entry(self, item: os.DirEntry[str], name: str) -> Entry:
        """An entry for what is not a folder, decided by `stat` alone, because opening a fifo would hang."""
        entry = Entry(name, 0, item.path)
        if not self.follow_links and item.is_symlink() and self._leads_outside(item.path):
            return replace(entry, refusal=Refusal("outside_source", "a link that leads outside the source"))
        try:
            status = item.stat()
        except OSError as error:
            return replace(entry, refusal=Refusal("unreadable", str(error.strerror)))
        if stat.S_ISREG(status.st_mode):
            return Entry(name, status.st_size, item.path)  # `replace` would cost as much as `stat`
        return replace(entry, refusal=Refusal("special_file", "a device, socket or fifo, not a file"))

    def _refuse_link(self, path: str, why: str) -> None:
        outside = not self.follow_links and self._leads_outside(path)
        refusal = Refusal("outside_source" if outside else "special_file", why)
        self.entries.append(Entry(self.name(path), 0, path, refusal))
        self.folder_links.add(self.name(path))

    def _leads_outside(self, path: str) -> bool:
        return not Path(os.path.realpath(path)).is_relative_to(self.root)

    def _note(self, path: str) -> None:
        if self.follow_links:
            status = os.stat(path)  # noqa: PTH116
            self.listed[status.st_dev, status.st_ino] = self.name(path)

    def _find_listed(self, path: str) -> str | None:
        """The name of a listed folder, "" for the source itself; None: not listed yet, or not to be read."""
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            return None
        return self.listed.get((status.st_dev, status.st_ino))
