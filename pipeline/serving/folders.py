"""Files sorted into a folder for each answer. Nothing is written over, and nothing is left out twice.

A file keeps its name where that is free. Where another file has it, also one whose name differs in upper and
lower case only, it gets a number. A file that lies there already, as after a kill, is recognised by its
bytes. Names are made such that they are files and folders of their place on every system.
"""

import errno
import filecmp
import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from pipeline.characters import escape
from pipeline.errors import StorageError
from pipeline.serving.predictions import Asked
from pipeline.storage import create_beside, lock, make_folder, remove_leftovers, translate_errors

Link = Literal["copy", "hard", "sym"]

_FORBIDDEN = re.compile(r'[/\\<>:"|?*\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows
_MAX_BYTES = 200  # of a name; a file system takes 255, and a number may come behind
_MAX_SUFFIX = 16
_TURN = ".darkroom-turn"  # its lock is held where a disk without links is renamed on
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EACCES)


def name_folders(answers: Sequence[str]) -> dict[str, str]:
    """A folder name for each answer; no two differ in upper and lower case only."""
    taken: set[str] = set()
    named = {}
    for answer in answers:
        named[answer] = next(one for one in _number(make_name(answer)) if _fold(one) not in taken)
        taken.add(_fold(named[answer]))
    return named


def make_name(text: str) -> str:
    """A text as the name of a file or folder on every system, of at most 200 bytes, never hidden."""
    name = _FORBIDDEN.sub("_", escape(unicodedata.normalize("NFC", text))).strip().rstrip(". ")
    if not name or name.startswith(".") or _RESERVED.fullmatch(name):
        name = f"_{name}"
    stem, suffix = _split(name)
    kept = stem.encode("utf-8", "replace")[: _MAX_BYTES - len(suffix.encode("utf-8", "replace"))]
    return kept.decode("utf-8", "ignore") + suffix


@dataclass(frozen=True)
class Places:
    """Where answers go: the folder of each (an answer without one stays where it is), and how."""

    folders: Mapping[str, Path]
    link: Link = "copy"


class Folders:
    """Puts files into the folders of their answers."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._taken: set[bytes] = set()  # hashes of the places that files of this run have
        self._is_ready: set[Path] = set()

    def remember(self, placed: str | None) -> None:
        """Take a place for taken that a file got before this run continued."""
        if placed:
            self._taken.add(_hash(Path(placed)))

    def place(self, asked: Asked, answer: str | None) -> str | None:
        """Put a file into the folder of its answer; its place, or None where it has none.

        Raises:
            StorageError: it cannot be written.
        """
        folder = self._places.folders.get(answer or "")
        if folder is None or asked.entry is None:
            return None
        self._prepare(folder)
        name = make_name(asked.files.below(asked.entry).rpartition("/")[2])
        source = None if asked.data else Path(str(asked.entry.handle))
        for one in _number(name):
            target = folder / one
            if _hash(target) in self._taken:
                continue
            with translate_errors(target):
                if self._put(source, asked.data, target):
                    self._taken.add(_hash(target))
                    return str(target)
        raise StorageError(f"{folder} has no free name for {name}")  # pragma: no cover (names have no end)

    def _prepare(self, folder: Path) -> None:
        if folder not in self._is_ready:
            make_folder(folder)
            remove_leftovers(folder)
            self._is_ready.add(folder)

    def _put(self, source: Path | None, data: bytes, target: Path) -> bool:
        """Whether a file is at a place now: because it was put there, or lay there already."""
        if os.path.lexists(target):
            return _is_same(source, data, target)
        try:
            if source is None or self._places.link == "copy":
                _copy(source, data, target)
            elif self._places.link == "hard":
                os.link(os.path.realpath(source), target)
            else:
                target.symlink_to(os.path.realpath(source))
        except FileExistsError:  # since it was looked for
            return _is_same(source, data, target)
        except OSError as error:
            if error.errno != errno.EXDEV and not (self._places.link == "hard" and error.errno in _NO_LINKS):
                raise
            raise StorageError(
                f"{target} cannot be a hard link to {source}: {error.strerror}; take --link copy or sym"
            ) from None
        return True


def _copy(source: Path | None, data: bytes, target: Path) -> None:
    """A copy that is whole or absent: under another name first, then linked to where nothing else is.

    Another run may sort into the same folder. So the name is of this copy alone, and on a disk without links
    one run at a time renames.
    """
    with create_beside(target) as (temporary, _):
        if source is None:
            temporary.write_bytes(data)
        else:
            shutil.copyfile(source, temporary)
            with suppress(OSError):  # where a disk keeps no times
                shutil.copystat(source, temporary)
        try:
            os.link(temporary, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            turn = target.with_name(_TURN)
            with lock(turn, on_wait=lambda: None):
                if is_free := not os.path.lexists(target):
                    temporary.rename(target)
                turn.unlink()
            if not is_free:
                raise FileExistsError(errno.EEXIST, "exists", str(target)) from None


def _is_same(source: Path | None, data: bytes, target: Path) -> bool:
    """Whether the file at a place has the same bytes, or is the same file."""
    try:
        if not target.is_file():
            return False
        if source is None:
            return target.stat().st_size == len(data) and target.read_bytes() == data
        return source.samefile(target) or filecmp.cmp(source, target, shallow=False)
    except OSError:
        return False


def _number(name: str) -> Iterator[str]:
    """A name, and then the same with numbers from 2 on."""
    yield name
    stem, suffix = _split(name)
    yield from (f"{stem}-{number}{suffix}" for number in count(2))


def _split(name: str) -> tuple[str, str]:
    """A name and its suffix, which is short."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and len(suffix) < _MAX_SUFFIX else (name, "")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _hash(place: Path) -> bytes:
    return hashlib.blake2b(
        f"{place.parent}/{_fold(place.name)}".encode("utf-8", "surrogateescape"), digest_size=8
    ).digest()
