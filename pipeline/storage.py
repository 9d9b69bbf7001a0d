"""How files are written: whole and on the disk, or not at all and with one line that says why.

Everything that a stage writes is synced, figures too: DVC moves these very files into its cache and names
them in dvc.lock, so a power cut must not empty them afterwards. It costs 0.6 ms per file on an SSD.
"""

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipeline.errors import StorageError, one_line

_START = ".darkroom-"  # of the name of a file that is being written
_LONGEST_ENDING = 16  # characters of a suffix; a file name has room for 255
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)  # some network disks; a folder without `r`
_ADVICE = {
    errno.ENOSPC: "free space on that disk and run it again",
    errno.EDQUOT: "free space within your quota and run it again",
    errno.EROFS: "make that disk writable, or work in another folder",
    errno.EACCES: "allow writing there, or work in another folder",
    errno.EPERM: "allow writing there, or work in another folder",
    errno.ENOENT: "a folder was removed meanwhile; run it again",
    errno.EEXIST: "a file lies where a folder should be; move it away",
    errno.ENOTDIR: "a file lies where a folder should be; move it away",
    errno.EISDIR: "a folder lies where the file should be; move it away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk may be failing: look into the system's log, then run it again",
}


STORAGE_FAULTS = frozenset(_ADVICE) - {errno.ENOENT}  # of the disk itself, whatever was asked of it


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn what the system says while `path` is written into a StorageError of one line."""
    try:
        yield
    except OSError as error:
        raise StorageError(_explain(path, error)) from None


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its suffix, and rename it to `path` on success.

    A reader never sees half a file, and a file that DVC hard-linked from its cache is never edited in place.
    When this ends, the file is on the disk. On an exception the temporary file is removed and `path` is
    untouched. What a killed process left half-written in the folder is removed. A pipe or device is written
    to as it is.

    Raises:
        StorageError: the file cannot be written.
    """
    with translate_errors(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            yield path
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        with create_beside(path) as (temporary, opened):
            yield temporary
            os.fsync(opened)
            temporary.replace(path)
            sync_folder(path.parent)


@contextmanager
def create_beside(path: Path) -> Iterator[tuple[Path, int]]:
    """Yields a new empty file beside `path`, with its suffix, and a descriptor that holds its lock.

    So no other process takes it for a leftover. When this ends, nothing lies under its name.
    """
    temporary, locked = _create_beside(path)
    try:
        yield temporary, locked
    finally:
        with suppress(OSError):  # the folder may be gone, and the first error says more
            temporary.unlink(missing_ok=True)
        os.close(locked)


def find_working_folder() -> Path:
    """Where the process works. Raises StorageError if that folder was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise StorageError("the working folder was deleted; go to the project's folder") from None


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises StorageError if it cannot be made."""
    with translate_errors(path):
        path.mkdir(parents=True, exist_ok=True)


def is_leftover(name: str) -> bool:
    """Whether a file name is of something half-written; .dvcignore names the same, so DVC never counts it."""
    return name.startswith(_START) or name.endswith(".npy.part")


def remove_files(folder: Path, pattern: str) -> None:
    """Remove the files of a folder that match a pattern. Raises StorageError if one cannot be removed."""
    with translate_errors(folder):
        for path in folder.glob(pattern):
            path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder: a living one holds a lock on its own."""
    with suppress(OSError):  # a folder that may be written and not read
        left = [path for path in folder.iterdir() if path.name.startswith(_START)]
        for path in left:
            with suppress(OSError), lock(path, is_new=False) as is_mine:
                if is_mine:
                    path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    opened = None
    try:
        opened = os.open(folder, os.O_RDONLY)
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        if opened is not None:
            os.close(opened)


@contextmanager
def lock(path: Path, *, is_new: bool = True, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock of a file, which the system releases with the process; yields whether it is held.

    Who holds it may remove the file: whoever waited for it then makes and locks a new one.

    Args:
        is_new: make the file if it does not exist; otherwise that is a FileNotFoundError.
        on_wait: called once if another process holds the lock, and then it is waited for; None: no waiting.
    """
    locked = _take(path, os.O_CREAT if is_new else 0, on_wait)
    try:
        yield locked is not None
    finally:
        if locked is not None:
            os.close(locked)


@contextmanager
def hold_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file, which is made with its folder; wait for it, after one call of `on_wait`.

    Raises:
        StorageError: it cannot be made. What the block raises is its own.
    """
    make_folder(path.parent)
    with ExitStack() as held:
        with translate_errors(path):
            held.enter_context(lock(path, on_wait=on_wait))
        yield


def _take(path: Path, flags: int, on_wait: Callable[[], None] | None) -> int | None:
    """The descriptor of a file that this process has locked; None if another has and there is no waiting."""
    wait = fcntl.LOCK_NB
    while True:
        opened = os.open(path, os.O_RDWR | flags, 0o666)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | wait)
            if _is_at(opened, path):
                return opened
        except BlockingIOError:
            if on_wait is None:
                os.close(opened)
                return None
            if wait:
                on_wait()
            wait = 0
        except BaseException:
            os.close(opened)
            raise
        os.close(opened)


def _create_beside(path: Path) -> tuple[Path, int]:
    """A new empty file beside `path`, and its descriptor, which holds its lock where the system has locks."""
    while True:
        temporary = path.with_name(f"{_START}{secrets.token_hex(8)}{path.suffix[:_LONGEST_ENDING]}")
        opened = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_EX)
        if _is_at(opened, temporary):
            return temporary, opened
        os.close(opened)  # it was taken for a leftover in between


def _is_at(opened: int, path: Path) -> bool:
    """Whether an open file still is what lies at a path."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except FileNotFoundError:
        return False


def _explain(path: Path, error: OSError) -> str:
    advice = f"; {_ADVICE[error.errno]}" if error.errno in _ADVICE else ""
    return f"{path} cannot be written: {error.strerror or one_line(error)}{advice}"


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file's bytes, as hexadecimal digits; `algorithm` is a name that hashlib knows."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
