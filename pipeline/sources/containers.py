"""What every container of files is: names, sizes and bytes. Nothing is unpacked, moved or changed.

A name is the path inside the container with "/", the same in every kind of container. It is one line of
UTF-8, in which a backslash, a control character, a character that cannot be seen or that turns the direction
of a line, and a byte that is not UTF-8 are written as \\xNN. A link is followed if it ends at a file inside
the container. Links to folders, and links that lead outside, are followed only on disk and only where
`follow_links` says so.

No length that a file states is believed: names, targets of links, headers and sizes have limits, which are
asked before anything is read.
"""

import io
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import IO, Any, ClassVar

from pipeline.characters import AWKWARD, cut, spell_bytes
from pipeline.errors import SourceError
from pipeline.refusals import Refusal
from pipeline.sources.urls import Place, Url

LAYOUTS = (
    "allowed: a folder (or a .zip, .tar, .tar.gz or .tgz) with one sub-folder of images per class or a table "
    "of labels, WebDataset tars, Parquet, IDX pairs, or a CSV of pixels; see docs/guide.md, Sources"
)
MAX_FILE_BYTES = 640 << 20  # one file is held in memory whole; 200 million pixels of 3 bytes are 573 MiB
MAX_NAME = 4096  # characters of a name or of a link's target, as in Linux
_FREE_BYTES = 1 << 30  # what any source may unpack to
ARCHIVE_GROWTH, TABLE_GROWTH = 1100, 100  # or how many times its size; deflate reaches 1,032
_MAX_DETAIL = 200  # characters
_AWKWARD = re.compile(rf"[\\{AWKWARD}]")
_DRIVE = 2  # characters in "C:"
# What the standard library raises on a damaged, encrypted or unknown archive, or on a failing disk.
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


# The sha256 (hex) of the bytes that had this stamp, if it is known.
Recall = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file by name; `handle` is how its container finds it, `refusal` why it cannot be read."""

    name: str
    n_bytes: int
    handle: Any
    refusal: Refusal | None = None


class PutOff:
    """A `Recall` under which a container does not read what can be read elsewhere (`Content.unread`)."""

    def __init__(self, recall: Recall | None = None) -> None:
        self.recall = recall

    def __call__(self, stamp: str) -> str | None:
        """What `recall` knows by a stamp."""
        return self.recall(stamp) if self.recall else None


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that was not read yet."""

    container: "Container"
    entry: Entry


@dataclass(frozen=True, slots=True)
class Content:
    """What reading an entry gave: its bytes, or why it has none.

    `stamp` changes with the bytes, "" if it might not. `id` is their sha256 (hex) where that was known from
    their stamp: then they were not read. Nor were they where `unread` says how to.
    """

    entry: Entry
    data: bytes
    refusal: Refusal | None = None
    stamp: str = ""
    id: str = ""
    unread: Unread | None = None


@dataclass(frozen=True)
class Container(ABC):
    """Files and folders of one place, listed once.

    `folder_links` names the entries that are links to folders and are not followed. `mark` is the stamp of an
    archive, from before it was listed.
    """

    where: Place
    entries: Sequence[Entry] = field(default=(), repr=False)
    folders: frozenset[str] = frozenset()
    is_archive: bool = False
    folder_links: frozenset[str] = frozenset()
    mark: str = ""
    can_travel: ClassVar[bool] = False

    def read(self, entries: Iterable[Entry], recall: Recall | None = None) -> Iterator[Content]:
        """The bytes of some entries, one file in memory at a time, in the order that is cheapest to read.

        Args:
            recall: entries whose stamp it knows are not read, and come first.

        Raises:
            SourceError: the archive as a whole cannot be read any more.
        """
        readable = []
        is_put_off = self.can_travel and isinstance(recall, PutOff)
        if isinstance(recall, PutOff):
            recall = recall.recall
        for entry in entries:
            if refusal := _refuse(entry):
                yield Content(entry, b"", refusal)
            elif recall and (stamp := self.stamp(entry)) and (known := recall(stamp)):
                later = Unread(self, entry) if is_put_off else None
                yield Content(entry, b"", None, stamp, known, later)
            else:
                readable.append(entry)
        if is_put_off:
            yield from (Content(entry, b"", unread=Unread(self, entry)) for entry in self._sort(readable))
        elif readable or not recall:
            yield from self._read(readable)

    def stamp(self, entry: Entry) -> str:
        """What changes with the bytes of an entry, without reading them; "" if there is nothing such."""
        return f"{self.mark}\0{entry.handle}\0{entry.n_bytes}" if self.mark else ""

    def take(self, entries: Sequence[Entry]) -> "Container":
        """A container of some entries alone, to be pickled and read by any machine that has these files.

        Raises:
            NotImplementedError: `can_travel` is False.
        """
        raise NotImplementedError

    def sort(self, entries: Iterable[Entry]) -> list[Entry]:
        """Entries in the order in which `read` gives them: what cannot be read comes first."""
        refused: list[Entry] = []
        readable: list[Entry] = []
        for entry in entries:
            (refused if _refuse(entry) else readable).append(entry)
        return refused + self._sort(readable)

    def _sort(self, entries: Sequence[Entry]) -> list[Entry]:
        return list(entries)

    @abstractmethod
    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]: ...

    @abstractmethod
    def open(self, entry: Entry) -> AbstractContextManager[IO[bytes]]:
        """A binary stream of one entry; raises what is in DAMAGED."""


def _refuse(entry: Entry) -> Refusal | None:
    """Why an entry is not read; None if it is."""
    if entry.refusal or entry.n_bytes <= MAX_FILE_BYTES:
        return entry.refusal
    return Refusal("unreadable", f"the file has {entry.n_bytes:,} bytes, more than {MAX_FILE_BYTES:,}")


def escape_name(name: str) -> str:
    """A file name as one line of text that can be written as UTF-8, shown and read back.

    Backslashes, control characters, characters that turn the direction of a line or cannot be seen, line
    separators and bytes that are not UTF-8 become \\xNN, byte by byte. So every \\xNN stands for a byte, and
    two names never become one.
    """
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    return _AWKWARD.sub(spell_bytes, text)


def summarise(error: BaseException) -> str:
    """The first line of an error, since tarfile lists all that it has tried; its type if it says nothing."""
    said = (str(error)[:MAX_NAME] or type(error).__name__).splitlines()[0].rstrip(":")
    return cut(said, _MAX_DETAIL)


def read_whole(stream: IO[bytes]) -> bytes:
    """All bytes of a stream, held once: the library's own `read` holds them twice while it joins them."""
    whole = io.BytesIO()
    shutil.copyfileobj(stream, whole, 1 << 20)
    return whole.getvalue()


def check_growth(n_bytes: int, where: Place, growth: int = ARCHIVE_GROWTH) -> None:
    """Raise SourceError if a file holds more than such a file can honestly hold: a decompression bomb."""
    if n_bytes <= _FREE_BYTES:
        return
    n_packed = _measure(where) if isinstance(where, Url) else where.stat().st_size
    if n_bytes > growth * n_packed:
        raise SourceError(
            f"the source {where} has {n_packed:,} bytes and unpacks to {n_bytes:,} or more, over "
            f"{growth:,} times as many; a decompression bomb is not read; pack it again"
        )


@lru_cache(8)
def _measure(place: Url) -> int:
    """The size of an object, asked once: a tar asks at each member."""
    return place.stat().st_size


def make_entry(name: str, n_bytes: int, handle: object, is_file: bool) -> Entry:
    """The entry of an archive's member; a member that is no regular file gets a refusal."""
    if is_file:
        return Entry(name, n_bytes, handle)
    return Entry(name, 0, handle, Refusal("special_file", "a device, socket or fifo, not a file"))


def follow_link(name: str, target: str | None, files: dict[str, Entry]) -> Entry:
    """The entry of a link: its target's bytes under the link's name. A `target` of None leads outside."""
    if target is None:
        return Entry(name, 0, None, Refusal("outside_source", "a link that leads outside the source"))
    if target not in files:
        return Entry(name, 0, None, Refusal("unreadable", "a link to nothing that can be read"))
    return replace(files[target], name=name)


def find_folder_links(
    links: Sequence[tuple[str, str | None]], files: Iterable[str], folders: Iterable[str]
) -> frozenset[str]:
    """The links of an archive, as (name, target), that lead to one of its folders."""
    if not links:
        return frozenset()
    held = {*folders} | {folder for name in (*files, *folders) for folder in _list_parents(name)}
    return frozenset(name for name, target in links if target in held)


def _list_parents(folder: str) -> Iterator[str]:
    while folder := folder.rpartition("/")[0]:
        yield folder


def resolve_link(name: str, target: str) -> str | None:
    """The name that a link at `name` leads to; None if that is outside the container."""
    path = os.path.normpath(os.path.join(os.path.dirname(name), target))  # noqa: PTH118, PTH120
    return None if path == ".." or path.startswith(("/", "../")) else path


def clean_member_name(name: str, where: Place) -> str:
    """The name of an archive's member without "." parts.

    Raises:
        SourceError: the name is too long, is absolute or climbs with "..". An archive that tries to write
            elsewhere is not trusted in any of its members.
    """
    if len(name) > MAX_NAME:
        raise SourceError(
            f"the archive {where} has a member whose name has {len(name):,} characters ({name[:40]}...), "
            f"up to {MAX_NAME:,} are allowed; make the archive again"
        )
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or (len(parts[0]) == _DRIVE and parts[0][1] == ":"):
        raise SourceError(
            f"the archive {where} has a member named {name!r}; allowed: names inside the archive; "
            "make the archive again from inside its folder"
        )
    return "/".join(part for part in name.split("/") if part not in ("", "."))


@contextmanager
def translate_damage(where: Place) -> Iterator[None]:
    """Turn damage to an archive, met while its members are read, into a SourceError."""
    try:
        yield
    except DAMAGED as error:
        raise SourceError(
            f"the archive {where} cannot be read: {summarise(error)}; get a complete copy"
        ) from None
