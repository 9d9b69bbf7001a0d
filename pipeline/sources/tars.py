"""Tars, read in place: member by member, never unpacked."""

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from pipeline.errors import SourceError
from pipeline.sources.containers import (
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
    translate_damage,
)
from pipeline.sources.stamps import stamp_place
from pipeline.sources.urls import Place

_MAX_HEADER_BYTES = 256 << 10  # of one member: its header, long names, PAX records, the map of a sparse file
_MAX_GLOBAL_RECORDS = 100  # of PAX, which hold for all members behind them


class _Metered:
    """A file, of which one header may read so much and no more; what a member holds is not metered."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.left: int | None = None

    def read(self, size: int) -> Any:
        if self.left is not None:
            self.left -= size
            if self.left < 0:
                raise ValueError(
                    f"a member's name or header has more than {_MAX_HEADER_BYTES:,} bytes, "
                    f"names of up to {MAX_NAME:,} characters are allowed"
                )
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Bounded(tarfile.TarFile):
    """A tar whose headers have a limit: the library reads names and maps of any size whole."""

    def next(self) -> tarfile.TarInfo | None:
        if not isinstance(self.fileobj, _Metered):
            self.fileobj = _Metered(self.fileobj)
        self.fileobj.left = _MAX_HEADER_BYTES
        member = super().next()
        self.fileobj.left = None
        if len(self.pax_headers) > _MAX_GLOBAL_RECORDS:
            raise ValueError(f"it has more than {_MAX_GLOBAL_RECORDS} global PAX records")
        return member


@dataclass(frozen=True)
class Tar(Container):
    """A tar, compressed or not, read as a stream; an entry's handle is the number of its member."""

    def _read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        wanted: dict[int, list[Entry]] = {}
        for entry in entries:
            wanted.setdefault(entry.handle, []).append(entry)
        with translate_damage(self.where), _open(self.where) as archive:
            for number, member in enumerate(_iterate_members(archive)):
                if number in wanted:
                    stream = archive.extractfile(member)
                    data = read_whole(stream) if stream else b""
                    for entry in wanted[number]:
                        yield Content(entry, data, stamp=self.stamp(entry))

    def _sort(self, entries: Sequence[Entry]) -> list[Entry]:
        return sorted(entries, key=lambda entry: int(entry.handle))

    @contextmanager
    def open(self, entry: Entry) -> Iterator[IO[bytes]]:
        """A binary stream of one member, which is found by reading the tar from its start."""
        with _open(self.where) as archive:
            member = next(m for i, m in enumerate(_iterate_members(archive)) if i == entry.handle)
            stream = archive.extractfile(member)
            if stream is None:
                raise SourceError(f"{entry.name} in {self.where} is not a file")
            yield stream


def list_tar(path: Place) -> Tar:
    """All members of a tar, which is read through once.

    Raises:
        SourceError: as `clean_member_name`.
        Exception: one of DAMAGED.
    """
    files: dict[str, Entry] = {}
    links: list[tuple[str, str | None]] = []
    entries: list[Entry] = []
    folders: set[str] = set()
    mark = stamp_place(path)
    with _open(path) as archive:
        n_bytes = 0
        for number, member in enumerate(_iterate_members(archive)):
            check_growth(n_bytes := n_bytes + member.size, path)
            name = escape_name(clean_member_name(member.name, path))
            if member.isdir():
                folders.add(name)
            elif member.issym():
                links.append((name, resolve_link(name, escape_name(member.linkname[: MAX_NAME + 1]))))
            elif member.islnk():
                links.append((name, escape_name(clean_member_name(member.linkname, path))))
            else:
                entries.append(make_entry(name, member.size, number, member.isreg()))
                files[name] = entries[-1]
    entries += [follow_link(name, target, files) for name, target in links]
    to_folders = find_folder_links(links, files, folders)
    return Tar(path, entries, frozenset(folders - {""}), is_archive=True, folder_links=to_folders, mark=mark)


@contextmanager
def _open(place: Place) -> Iterator[tarfile.TarFile]:
    with place.open("rb") as file, _Bounded.open(fileobj=file) as archive:
        yield archive


def _iterate_members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Members in order, each forgotten after its turn: tarfile would keep all of them in memory.

    Raises:
        tarfile.ReadError: what follows the last member is no end of a tar; tarfile would stop without a word.
    """
    while (member := archive.next()) is not None:
        yield member
        archive.members.clear()  # type: ignore[attr-defined]
    file, end = archive.fileobj, archive.offset
    file.seek(end)
    if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"it is damaged at byte {end:,}")
