"""Zips and tars, read in place: member by member, never unpacked."""

import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from pipeline.errors import SourceError
from pipeline.sources.containers import DAMAGED, Container, Content, Entry, in_words, printable

_DRIVE = 2  # characters in "C:"


@dataclass(frozen=True)
class Zip(Container):
    """A zip; an entry's handle is the number of its member: a ZipInfo takes 1 kB, and is there once read."""

    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        with _whole(self.where), zipfile.ZipFile(self.where) as archive:
            members = archive.infolist()
            for entry in sorted(entries, key=lambda entry: members[entry.handle].header_offset):
                try:
                    data = archive.read(members[entry.handle])
                except DAMAGED as error:
                    yield Content(entry, b"", "unreadable", f"in the archive: {in_words(error)}")
                else:
                    yield Content(entry, data)

    @contextmanager
    def open(self, entry: Entry) -> Iterator[IO[bytes]]:
        with (
            zipfile.ZipFile(self.where) as archive,
            archive.open(archive.infolist()[entry.handle]) as stream,
        ):
            yield stream


@dataclass(frozen=True)
class Tar(Container):
    """A tar, compressed or not; an entry's handle is the number of its member. Read as a stream."""

    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        wanted: dict[int, list[Entry]] = {}
        for entry in entries:
            wanted.setdefault(entry.handle, []).append(entry)
        with _whole(self.where), tarfile.open(self.where) as archive:
            for number, member in enumerate(_members(archive)):
                if number in wanted:
                    stream = archive.extractfile(member)
                    data = stream.read() if stream else b""
                    yield from (Content(entry, data) for entry in wanted[number])

    @contextmanager
    def open(self, entry: Entry) -> Iterator[IO[bytes]]:
        with tarfile.open(self.where) as archive:
            member = next(m for i, m in enumerate(_members(archive)) if i == entry.handle)
            stream = archive.extractfile(member)
            if stream is None:
                raise SourceError(f"{entry.name} in {self.where} is not a file")
            yield stream


def list_zip(path: Path) -> Zip:
    """All members of a zip. Raises SourceError: see `_member_name`; and what is in DAMAGED."""
    files: dict[str, Entry] = {}
    links: list[tuple[str, str]] = []
    entries: list[Entry] = []
    folders: set[str] = set()
    with zipfile.ZipFile(path) as archive:
        for number, info in enumerate(archive.infolist()):
            name = _member_name(_zip_name(info), path)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                folders.add(name)
            elif kind == stat.S_IFLNK:
                links.append((name, printable(archive.read(info).decode("utf-8", "surrogateescape"))))
            else:
                entries.append(_special_or_file(name, info.file_size, number, kind in (0, stat.S_IFREG)))
                files[name] = entries[-1]
    entries += [_linked(name, _link_target(name, target), files) for name, target in links]
    return Zip(path, entries, frozenset(folders - {""}), is_archive=True)


def list_tar(path: Path) -> Tar:
    """All members of a tar, which is read through once. Raises as `list_zip` does."""
    files: dict[str, Entry] = {}
    links: list[tuple[str, str | None]] = []
    entries: list[Entry] = []
    folders: set[str] = set()
    with tarfile.open(path) as archive:
        for number, member in enumerate(_members(archive)):
            name = _member_name(printable(member.name), path)
            if member.isdir():
                folders.add(name)
            elif member.issym():
                links.append((name, _link_target(name, printable(member.linkname))))
            elif member.islnk():
                links.append((name, _member_name(printable(member.linkname), path)))
            else:
                entries.append(_special_or_file(name, member.size, number, member.isreg()))
                files[name] = entries[-1]
    entries += [_linked(name, target, files) for name, target in links]
    return Tar(path, entries, frozenset(folders - {""}), is_archive=True)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Members in order, each forgotten after its turn: tarfile would keep all of them in memory.

    Raises:
        tarfile.ReadError: the archive goes on with something that is no member; tarfile would end there.
    """
    while (member := archive.next()) is not None:
        yield member
        archive.members.clear()  # type: ignore[attr-defined]
    file, end = archive.fileobj, archive.offset
    file.seek(end)
    if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"it is damaged at byte {end:,}")


def _special_or_file(name: str, n_bytes: int, handle: object, is_file: bool) -> Entry:
    if is_file:
        return Entry(name, n_bytes, handle)
    return Entry(name, 0, handle, "special_file", "a device, socket or fifo, not a file")


def _linked(name: str, target: str | None, files: dict[str, Entry]) -> Entry:
    """The entry of a link: its target's bytes under the link's name. `target` None: outside."""
    if target is None:
        return Entry(name, 0, None, "outside_source", "a link that leads outside the source")
    if target not in files:
        return Entry(name, 0, None, "unreadable", "a link to nothing that can be read")
    return replace(files[target], name=name)


def _link_target(name: str, target: str) -> str | None:
    path = os.path.normpath(os.path.join(os.path.dirname(name), target))  # noqa: PTH118, PTH120
    return None if path == ".." or path.startswith(("/", "../")) else path


def _member_name(name: str, where: Path) -> str:
    """The name of an archive's member without "." parts.

    Raises:
        SourceError: the name is absolute or climbs with "..": an archive that tries to write
            elsewhere is not trusted in any of its members.
    """
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or (len(parts[0]) == _DRIVE and parts[0][1] == ":"):
        raise SourceError(
            f"the archive {where} has a member named {name!r}; allowed: names inside the archive; "
            "make the archive again from inside its folder"
        )
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as text: without the UTF-8 mark, names from Unix are bytes, those from DOS code page 437."""
    if info.create_system == 0:
        return info.filename.replace("\\", "/")
    if info.flag_bits & 0x800:
        return info.filename
    return info.filename.encode("cp437").decode("utf-8", "backslashreplace")


@contextmanager
def _whole(where: Path) -> Iterator[None]:
    """Damage to an archive, met while its members are read, in the user's words."""
    try:
        yield
    except DAMAGED as error:
        raise SourceError(
            f"the archive {where} cannot be read: {in_words(error)}; get a whole copy"
        ) from None
