"""What every container of files is: names, sizes and bytes; nothing is unpacked, moved or changed.

A name is the path inside the container with "/"; bytes of a name that are not UTF-8 show as \\xNN, the
same in every kind of container. A link is followed when it ends at a file inside, and never outside.
"""

import os
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

LAYOUTS = (
    "allowed: a folder (or a .zip, .tar, .tar.gz or .tgz) with one sub-folder of images per class, "
    "IDX pairs (*-images-idx3-ubyte[.gz] with *-labels-idx1-ubyte[.gz]), or a CSV of pixels (.csv, .csv.gz)"
)
MAX_FILE_BYTES = 1 << 30  # one file is held in memory whole
# What the standard library raises on a damaged, encrypted or unknown archive, or on a failing disk.
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file by name; `handle` is what its container finds it by, `problem` why it cannot be read."""

    name: str
    n_bytes: int
    handle: Any
    problem: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What reading an entry gave: its bytes, or a problem in the words of `images.REASONS`."""

    entry: Entry
    data: bytes
    problem: str = ""
    detail: str = ""


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
            if entry.problem:
                yield Content(entry, b"", entry.problem, entry.detail)
            elif entry.n_bytes > MAX_FILE_BYTES:
                detail = f"the file has {entry.n_bytes:,} bytes, more than {MAX_FILE_BYTES:,}"
                yield Content(entry, b"", "unreadable", detail)
            else:
                readable.append(entry)
        yield from self._read(readable)

    @abstractmethod
    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]: ...

    @abstractmethod
    def open(self, entry: Entry) -> AbstractContextManager[IO[bytes]]:
        """A binary stream of one entry; raises what is in DAMAGED."""


def printable(name: str) -> str:
    """A file name as text that can be written as UTF-8: other bytes as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def in_words(error: BaseException) -> str:
    """What went wrong, in one line: tarfile lists all it has tried."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
