"""The files that people ask about: images, folders and archives of images, and lists of paths."""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePath

from pipeline.characters import cut
from pipeline.errors import SourceError
from pipeline.refusals import Refusal
from pipeline.sources import Container, Content, Entry, PutOff, is_archive, open_container, wrap_files

MAX_FAULT = 300  # characters


@dataclass(frozen=True)
class Files:
    """The files at one path that was asked about, in the order in which they are read.

    Attributes:
        path: as it was given; of several single files, that of the first.
        container: None if it cannot be read, for `fault`.
        are_single: whether these are single files, which are called as they were given.
    """

    path: Path
    container: Container | None
    entries: tuple[Entry, ...] = ()
    fault: str = ""
    are_single: bool = False

    def name(self, entry: Entry) -> str:
        """An entry's name with the path in front of it, as it was given."""
        return entry.name if self.are_single else str(PurePath(self.path, entry.name))

    def below(self, entry: Entry) -> str:
        """An entry's path below the folder or archive that was named; a single file's name."""
        return entry.name.rpartition("/")[2] if self.are_single else entry.name

    def read(self, skip: int = 0, recall: PutOff | None = None) -> Iterator[Content]:
        """The contents of all entries but the first `skip`, in their order.

        Where the archive breaks off, all that follows is unreadable.

        Args:
            recall: leaves what can be read elsewhere unread.
        """
        n_read = skip
        try:
            for content in self.container.read(self.entries[skip:], recall) if self.container else ():
                n_read += 1
                yield content
        except SourceError as error:
            refusal = Refusal("unreadable", cut(str(error), MAX_FAULT))
            yield from (Content(entry, b"", refusal) for entry in self.entries[n_read:])


def find_files(
    paths: Iterable[Path | str], *, may_be_missing: bool = False, leave_out: Collection[Path] = ()
) -> list[Files]:
    """List the files at `paths`: images, folders of any depth, .zip, .tar, .tar.gz or .tgz.

    A folder is in the order of its names, an archive in that of its bytes. Hidden files inside folders and
    archives are left out.

    Args:
        may_be_missing: a path that does not exist is a file that cannot be read.
        leave_out: files that are none of those asked about, wherever they lie: what the command writes.

    Raises:
        SourceError: a path does not exist, or there is no file in any of them.
    """
    names = list(map(str, paths))
    if not may_be_missing:
        _check_paths(names)
    skipped = {os.path.realpath(path) for path in leave_out}
    found: list[Files] = []
    for is_single, some in groupby(names, key=_is_single):
        if is_single:
            together = list(some)
            container = wrap_files(together)
            found.append(Files(Path(together[0]), container, tuple(container.entries), are_single=True))
        else:
            found += [_list(Path(name), skipped) for name in some]
    if not any(files.entries or files.container is None for files in found):
        raise SourceError(f"there is no file in {', '.join(names[:10]) or 'the list'}")
    return found


def split_list(data: bytes) -> list[str]:
    """The paths in a list: one a line, or, where there is a NUL, one behind each NUL (`find -print0`)."""
    lines = data.split(b"\0") if b"\0" in data else (line.rstrip(b"\r") for line in data.split(b"\n"))
    return [os.fsdecode(line) for line in lines if line.strip()]


def count_files(found: Iterable[Files]) -> int:
    """How many files there are; what cannot be opened is one."""
    return sum(len(files.entries) if files.container else 1 for files in found)


def hash_files(found: Sequence[Files]) -> str:
    """A hash of names, sizes and times of all files, in their order; none is read."""
    hashed = hashlib.sha256()
    for files in found:
        whole = _stamp(files.path) if files.container is None or files.container.is_archive else ()
        hashed.update(repr((os.fspath(files.path), whole)).encode("utf-8", "surrogateescape"))
        for entry in files.entries:
            own = () if whole else _stamp(entry.handle)
            hashed.update(repr((entry.name, entry.n_bytes, own)).encode("utf-8", "surrogateescape"))
    return hashed.hexdigest()


def _check_paths(names: Sequence[str]) -> None:
    for name in names:
        if not os.path.exists(name):  # noqa: PTH110 (a Path for each file would cost as much again)
            raise SourceError(f"{name} does not exist; name images, folders, .zip or .tar files of images")


def _is_single(name: str) -> bool:
    return not is_archive(name) and not os.path.isdir(name)  # noqa: PTH112


def _list(path: Path, skipped: Collection[str]) -> Files:
    try:
        container = open_container(path)
    except SourceError as error:
        return Files(path, None, fault=cut(str(error), MAX_FAULT))
    shown = [entry for entry in container.entries if not _is_hidden(entry.name)]
    if not container.is_archive:
        shown = sorted((one for one in shown if one.handle not in skipped), key=lambda one: one.name)
    return Files(path, replace(container, entries=()), tuple(container.sort(shown)))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _stamp(path: str | Path) -> tuple[int, ...]:
    """Size and time of a file; () for one that cannot be looked at."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return ()
    return status.st_size, status.st_mtime_ns
