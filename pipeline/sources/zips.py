"""Zips, read in place: member by member, never unpacked.

The standard library holds 1 kB per member for as long as a zip is open. Here each member of the listing is
passed on once, and 35 bytes of it are kept for reading.
"""

import os
import stat
import struct
import zipfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from pipeline.refusals import Refusal
from pipeline.sources.containers import (
    DAMAGED,
    MAX_NAME,
    Container,
    Content,
    Entry,
    check_growth,
    clean_member_name,
    escape_name,
    find_folder_links,
    follow_link,
    make_entry,
    read_whole,
    resolve_link,
    summarise,
    translate_damage,
)
from pipeline.sources.stamps import stamp_place
from pipeline.sources.urls import Place

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_IS_UTF8 = 0x800  # the flag of a member whose name is UTF-8


class _Member(NamedTuple):
    """Where a member lies and how it is packed."""

    offset: int
    n_bytes: int
    n_packed: int
    checksum: int
    method: int
    flags: int

    def describe(self, name: str) -> zipfile.ZipInfo:
        """What the library needs to read the member; `name` is the one in the member's own header."""
        info = zipfile.ZipInfo(name)
        info.orig_filename = name  # ZipInfo cuts names at a NUL, the check against the header does not
        info.header_offset, info.file_size = self.offset, self.n_bytes
        info.compress_size, info.CRC = self.n_packed, self.checksum
        info.compress_type, info.flag_bits = self.method, self.flags
        return info


class _Members:
    """In place of the library's list: keeps where members lie and how they are packed, and passes each on."""

    def __init__(self, hear: Callable[[zipfile.ZipInfo], None]) -> None:
        self._hear = hear
        self._offsets, self._sizes, self._packed, self._sums = (array(kind) for kind in "QQQI")
        self._methods, self._flags = array("H"), array("H")

    def append(self, info: zipfile.ZipInfo) -> None:
        self._offsets.append(info.header_offset)
        self._sizes.append(info.file_size)
        self._packed.append(info.compress_size)
        self._sums.append(info.CRC)
        self._methods.append(info.compress_type)
        self._flags.append(info.flag_bits)
        self._hear(info)

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        return iter(())

    def __len__(self) -> int:
        return len(self._offsets)

    def check(self, path: Place) -> None:
        """Raise SourceError for a decompression bomb, BadZipFile if members share their bytes.

        The library looks for shared bytes in its own list, which it does not have here. All members are known
        now, and the listener goes: it holds the whole listing, which holds it.
        """
        del self._hear
        check_growth(sum(self._sizes), path)
        starts, packed = (np.frombuffer(values, np.uint64) for values in (self._offsets, self._packed))
        order = np.argsort(starts, kind="stable")
        ends = starts[order] + packed[order] + np.uint64(_LOCAL_HEADER.size)
        if (ends[:-1] > starts[order][1:]).any():
            raise zipfile.BadZipFile("its members overlap, as those of a decompression bomb do")

    def __getitem__(self, number: int) -> _Member:
        columns = (self._offsets, self._sizes, self._packed, self._sums, self._methods, self._flags)
        return _Member(*(column[number] for column in columns))


class _Unlisted(zipfile.ZipFile):
    """A zip whose listing goes to `members`, or is not read if there are none."""

    def __init__(self, file: IO[bytes], members: _Members | None = None) -> None:
        self._members = members
        super().__init__(file)

    def _RealGetContents(self) -> None:  # noqa: N802 (the library's own name)
        if self._members is not None:
            self.filelist: Any = self._members
            self.NameToInfo: Any = _Nothing()
            super()._RealGetContents()  # type: ignore[misc]


class _Nothing(dict[str, zipfile.ZipInfo]):
    def __setitem__(self, name: str, info: zipfile.ZipInfo) -> None:
        pass


@dataclass(frozen=True)
class Zip(Container):
    """A zip; an entry's handle is the number of its member."""

    members: _Members | dict[int, _Member] = field(default_factory=dict, repr=False)
    can_travel = True

    def take(self, entries: Sequence[Entry]) -> "Zip":
        """As of any container."""
        members = {entry.handle: self.members[entry.handle] for entry in entries}
        where = self.where
        if isinstance(where, Path):
            where = Path(os.path.abspath(where))  # noqa: PTH100 (links stay as they are)
        return Zip(where, entries, is_archive=True, mark=self.mark, members=members)

    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        with translate_damage(self.where), self.where.open("rb") as file, _Unlisted(file) as archive:
            for entry in self._sort(entries):
                try:
                    with archive.open(self._info(file, entry)) as stream:
                        data = read_whole(stream)
                except DAMAGED as error:
                    refusal = Refusal("unreadable", f"in the archive: {summarise(error)}")
                    yield Content(entry, b"", refusal)
                else:
                    yield Content(entry, data, stamp=self.stamp(entry))

    def _sort(self, entries: Sequence[Entry]) -> list[Entry]:
        return sorted(entries, key=lambda entry: self.members[entry.handle].offset)

    def stamp(self, entry: Entry) -> str:
        """The archive's, with place and checksum of the member."""
        member = self.members[entry.handle]
        return f"{super().stamp(entry)}\0{member.offset}\0{member.checksum}" if self.mark else ""

    @contextmanager
    def open(self, entry: Entry) -> Iterator[IO[bytes]]:
        """A binary stream of one member."""
        with (
            self.where.open("rb") as file,
            _Unlisted(file) as archive,
            archive.open(self._info(file, entry)) as stream,
        ):
            yield stream

    def _info(self, headers: IO[bytes], entry: Entry) -> zipfile.ZipInfo:
        member = self.members[entry.handle]
        headers.seek(member.offset)
        head = headers.read(_LOCAL_HEADER.size)
        if len(head) < _LOCAL_HEADER.size:
            raise zipfile.BadZipFile("the archive ends before it")
        _, _, flags, *_, n_name, _ = _LOCAL_HEADER.unpack(head)
        name = headers.read(n_name).decode("utf-8" if flags & _IS_UTF8 else "cp437")
        return member.describe(name)


def list_zip(path: Place) -> Zip:
    """All members of a zip.

    Raises:
        SourceError: as `clean_member_name`.
        Exception: one of DAMAGED.
    """
    files: dict[str, Entry] = {}
    links: list[tuple[str, zipfile.ZipInfo]] = []
    ends: list[tuple[str, str | None]] = []
    entries: list[Entry] = []
    folders: set[str] = set()

    def hear(info: zipfile.ZipInfo) -> None:
        name = escape_name(clean_member_name(_decode_name(info), path))
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            folders.add(name)
        elif kind == stat.S_IFLNK:
            links.append((name, info))
        else:
            number = len(members) - 1
            entries.append(make_entry(name, info.file_size, number, kind in (0, stat.S_IFREG)))

    members, mark = _Members(hear), stamp_place(path)
    with path.open("rb") as file, _Unlisted(file, members) as archive:
        members.check(path)
        if links:
            files = {entry.name: entry for entry in entries}
        for name, info in links:
            if info.file_size > MAX_NAME:
                refusal = Refusal("unreadable", f"a link whose target has {info.file_size:,} characters")
                entries.append(Entry(name, 0, None, refusal))
                continue
            target = escape_name(archive.read(info).decode("utf-8", "surrogateescape"))
            ends.append((name, resolve_link(name, target)))
            entries.append(follow_link(*ends[-1], files))
    to_folders = find_folder_links(ends, files, folders)
    held = frozenset(folders - {""})
    return Zip(path, entries, held, is_archive=True, folder_links=to_folders, mark=mark, members=members)


def _decode_name(info: zipfile.ZipInfo) -> str:
    """The name as text. Without the UTF-8 mark, names from Unix are bytes, names from DOS code page 437."""
    if info.create_system == 0:
        return info.filename.replace("\\", "/")
    if info.flag_bits & _IS_UTF8:
        return info.filename
    return info.filename.encode("cp437").decode("utf-8", "surrogateescape")
