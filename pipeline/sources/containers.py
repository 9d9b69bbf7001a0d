"""What every container of files is: names, sizes and bytes. Nothing is unpacked, moved or changed.

A name is the path inside the container with "/", the same in every kind of container. It is one line of
UTF-8, in which a backslash, a control character and a byte that is not UTF-8 are written as \\xNN. A link is
followed if it ends at a file inside the container, and never outside.
"""

import os
import re
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from pipeline.errors import SourceError
from pipeline.refusals import Refusal

LAYOUTS = (
    "allowed: a folder (or a .zip, .tar, .tar.gz or .tgz) with one sub-folder of images per class, "
    "IDX pairs (*-images-idx3-ubyte[.gz] with *-labels-idx1-ubyte[.gz]), or a CSV of pixels (.csv, .csv.gz)"
)
MAX_FILE_BYTES = 1 << 30  # one file is held in memory whole
_AWKWARD = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff]")
_DRIVE = 2  # characters in "C:"
# What the standard library raises on a damaged, encrypted or unknown archive, or on a failing disk.
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file by name; `handle` is how its container finds it, `refusal` why it cannot be read."""

    name: str
    n_bytes: int
    handle: Any
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What reading an entry gave: its bytes, or why it has none."""

    entry: Entry
    data: bytes
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Container(ABC):
    """Files and folders of one place, listed once."""

    where: Path
    entries: Sequence[Entry] = field(default=(), repr=False)
    folders: frozenset[str] = frozenset()
    is_archive: bool = False

    def read(self, entries: Iterable[Entry]) -> Iterator[Content]:
        """The bytes of some entries, one file in memory at a time, in the order that is cheapest to read.

        Raises:
            SourceError: the archive as a whole cannot be read any more.
        """
        readable = []
        for entry in entries:
            if entry.refusal:
                yield Content(entry, b"", entry.refusal)
            elif entry.n_bytes > MAX_FILE_BYTES:
                detail = f"the file has {entry.n_bytes:,} bytes, more than {MAX_FILE_BYTES:,}"
                yield Content(entry, b"", Refusal("unreadable", detail))
            else:
                readable.append(entry)
        yield from self._read(readable)

    @abstractmethod
    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]: ...

    @abstractmethod
    def open(self, entry: Entry) -> AbstractContextManager[IO[bytes]]:
        """A binary stream of one entry; raises what is in DAMAGED."""


def escape_name(name: str) -> str:
    """A file name as one line of text that can be written as UTF-8, shown and read back.

    Backslashes, control characters, line separators and bytes that are not UTF-8 become \\xNN, byte by
    byte. So every \\xNN stands for a byte, and two names never become one.
    """
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    return _AWKWARD.sub(_as_bytes, text)


def _as_bytes(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape"))


def summarise(error: BaseException) -> str:
    """The first line of an error, since tarfile lists all that it has tried; its type if it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(":")


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


def resolve_link(name: str, target: str) -> str | None:
    """The name that a link at `name` leads to; None if that is outside the container."""
    path = os.path.normpath(os.path.join(os.path.dirname(name), target))  # noqa: PTH118, PTH120
    return None if path == ".." or path.startswith(("/", "../")) else path


def clean_member_name(name: str, where: Path) -> str:
    """The name of an archive's member without "." parts.

    Raises:
        SourceError: the name is absolute or climbs with "..". An archive that tries to write elsewhere is not
            trusted in any of its members.
    """
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or (len(parts[0]) == _DRIVE and parts[0][1] == ":"):
        raise SourceError(
            f"the archive {where} has a member named {name!r}; allowed: names inside the archive; "
            "make the archive again from inside its folder"
        )
    return "/".join(part for part in name.split("/") if part not in ("", "."))


@contextmanager
def translate_damage(where: Path) -> Iterator[None]:
    """Turn damage to an archive, met while its members are read, into a SourceError."""
    try:
        yield
    except DAMAGED as error:
        raise SourceError(
            f"the archive {where} cannot be read: {summarise(error)}; get a complete copy"
        ) from None
