"""What was computed of files before, kept by key in one SQLite file outside DVC's outputs.

It may be deleted at any time, and nothing depends on it: whoever finds nothing computes again. Many processes
may use it at once. What a killed process had not yet written is absent. Each entry has a checksum, and a
damaged one counts as absent. A store that cannot be written or read is given up with one warning.

It keeps to `DARKROOM_CACHE_GB`. What was not used for the longest time goes first, and never what this run
has used. So of a collection that is too large for the store, a part stays in it, and is found each time.
"""

import hashlib
import logging
import os
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import ParamsError, StorageError, one_line
from pipeline.storage import make_folder

CACHE_GB_VARIABLE = "DARKROOM_CACHE_GB"
_DEFAULT_BYTES, _SHARE_OF_FREE = 20 * 10**9, 0.1
_VERSION = 0x4452_0001  # of the tables; SQLite's application_id
_FILE, _BESIDE = "results.db", ("", "-wal", "-shm")
_WAITING_BYTES, _WAITING_KEYS = 16 << 20, 1 << 13  # until they are written; a killed process loses no more
_ROW_BYTES = 120  # of an entry, beside its body
_ROOM_LEFT = 0.05  # of what is allowed, after entries were removed
_PREFIX_BYTES, _NAME_BYTES, _SUM_BYTES = 8, 16, 4
_BUSY_S = 10.0
_TABLES = """
CREATE TABLE entry (key BLOB PRIMARY KEY, used INTEGER NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE body (at INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""

_log = logging.getLogger(__name__)


def read_limit(folder: Path) -> int:
    """How many bytes the store in a folder may take: `DARKROOM_CACHE_GB` in 10^9 bytes; 0: there is none.

    By default 20 GB, and at most a tenth of what is free on its disk, its own size included. The folder
    is made, unless the variable is set.

    Raises:
        ParamsError: the variable is no number of 0 or more.
    """
    said = os.environ.get(CACHE_GB_VARIABLE, "")
    if said:
        if not re.fullmatch(r"\d{1,9}(\.\d+)?", said, re.ASCII):
            raise ParamsError(
                f"{CACHE_GB_VARIABLE} must be a number of gigabytes, 0 or more, got {said!r}; unset it"
            )
        return int(float(said) * 1e9)
    make_folder(folder)
    own = sum(path.stat().st_size for path in folder.glob(f"{_FILE}*"))
    return min(_DEFAULT_BYTES, int(_SHARE_OF_FREE * (shutil.disk_usage(folder).free + own)))


class ResultStore:
    """Bodies (bytes) by key, for one run; a context manager.

    Args:
        folder: where the file lies; None: nothing is kept or found.

    Attributes:
        limit: how many bytes it may take, once it is open; 0: nothing is kept or found.
    """

    def __init__(self, folder: Path | None) -> None:
        self._db: sqlite3.Connection | None = None
        self._folder = folder
        self._waiting: dict[bytes, bytes] = {}
        self._used: set[bytes] = set()
        self._n_waiting = self.limit = self._run = 0
        self._is_full = self._has_holes = False

    def __enter__(self) -> Self:
        if self._folder is not None:
            try:
                self.limit = read_limit(self._folder)
                if self.limit:
                    make_folder(self._folder)
                    self._open(self._folder / _FILE)
            except (sqlite3.Error, OSError, StorageError) as error:
                self._give_up(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._close()

    def shelf(self, *what: object) -> "Shelf":
        """The entries of one computation, which plain values describe whole."""
        return Shelf(self, hashlib.sha256(repr(what).encode()).digest()[:_PREFIX_BYTES])

    def has(self, prefix: bytes) -> bool:
        """Whether there is an entry whose key begins so."""
        rows = self._ask(
            "SELECT 1 FROM entry WHERE key >= ? AND key < ? LIMIT 1", prefix, prefix + b"\xff" * 17
        )
        return bool(rows)

    def find(self, key: bytes) -> bytes | None:
        """The body of a key; None if there is none, or a damaged one."""
        rows = self._ask("SELECT body FROM entry JOIN body USING (at) WHERE key = ?", key)
        whole = rows[0][0] if rows else None
        if not isinstance(whole, bytes) or whole[:_SUM_BYTES] != _sum(key, whole[_SUM_BYTES:]):
            return None
        self._used.add(key)
        self._flush_if_many()
        return whole[_SUM_BYTES:]

    def put(self, key: bytes, body: bytes) -> None:
        """Keep a body; it is found after the next `flush`, which the end of the run is."""
        if self._db is None or self._is_full or key in self._used:
            return
        self._waiting[key] = body
        self._n_waiting += len(body) + _ROW_BYTES
        self._flush_if_many()

    def replace(self, key: bytes, body: bytes) -> None:
        """Keep a body as `put`, in place of one that this run may have found."""
        self._used.discard(key)
        self.put(key, body)

    def flush(self) -> None:
        """Write what waits. Where another process writes for long, it is left out."""
        if self._db is not None and (self._waiting or self._used):
            try:
                with _transact(self._db):
                    self._write(self._db)
                if self._has_holes:  # `execute` would release a single page
                    self._db.executescript("PRAGMA incremental_vacuum")
                    self._has_holes = False
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    self._give_up(error)
        self._waiting.clear()
        self._used.clear()
        self._n_waiting = 0

    def _flush_if_many(self) -> None:
        if self._n_waiting >= _WAITING_BYTES or len(self._waiting) + len(self._used) >= _WAITING_KEYS:
            self.flush()

    def _open(self, path: Path) -> None:
        for is_second in (False, True):
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            try:
                if self._prepare(self._db):
                    return
            except sqlite3.DatabaseError as error:
                if is_second or isinstance(error, sqlite3.OperationalError):
                    raise
                _log.warning("%s cannot be read (%s): it is made anew", path, one_line(error))
            self._remove()

    def _prepare(self, db: sqlite3.Connection) -> bool:
        """Make the tables if there are none, and number this run; False: another version made the file."""
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        with _transact(db):
            (made_by,) = db.execute("PRAGMA application_id").fetchone()
            if not made_by and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in filter(str.strip, _TABLES.split(";")):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_VERSION}")
                made_by = _VERSION
            self._run = db.execute("PRAGMA user_version").fetchone()[0] + 1
            db.execute(f"PRAGMA user_version = {self._run}")
        return bool(made_by == _VERSION)

    def _ask(self, question: str, *values: bytes) -> list[tuple[object, ...]]:
        if self._db is None:
            return []
        try:
            return self._db.execute(question, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _write(self, db: sqlite3.Connection) -> None:
        """Inside a transaction: say what was used, make room, and add what waits."""
        used = ((self._run, key) for key in self._used)
        db.executemany("UPDATE entry SET used = max(used, ?) WHERE key = ?", used)
        if not self._make_room(db):
            self._is_full = True
            _log.info(
                "the store of results is full: of this collection it keeps %.1f GB; set %s to more",
                self.limit / 1e9,
                CACHE_GB_VARIABLE,
            )
            return
        for key, body in self._waiting.items():
            whole = _sum(key, body) + body
            if row := db.execute("SELECT at FROM entry WHERE key = ?", (key,)).fetchone():
                db.execute("INSERT OR REPLACE INTO body VALUES (?, ?)", (*row, whole))
                size = len(whole) + _ROW_BYTES
                db.execute("UPDATE entry SET used = ?, size = ? WHERE key = ?", (self._run, size, key))
                continue
            at = db.execute("INSERT INTO body (body) VALUES (?)", (whole,)).lastrowid
            db.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", (key, self._run, len(whole) + _ROW_BYTES, at))

    def _make_room(self, db: sqlite3.Connection) -> bool:
        """Remove what was not used for the longest time until what waits has room; False if it has none."""
        page, n_pages, n_free = (
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        missing: int = page * (n_pages - n_free) + self._n_waiting - self.limit
        if missing <= 0:
            return True
        to_free, gone = missing + int(_ROOM_LEFT * self.limit), []
        for key, at, size in db.execute(
            "SELECT key, at, size FROM entry WHERE used < ? ORDER BY used, at", (self._run,)
        ):
            gone.append((key, at))
            missing, to_free = missing - size, to_free - size
            if to_free <= 0:
                break
        db.executemany("DELETE FROM entry WHERE key = ?", ((key,) for key, _ in gone))
        db.executemany("DELETE FROM body WHERE at = ?", ((at,) for _, at in gone))
        self._has_holes = True
        return missing <= 0

    def _give_up(self, error: Exception) -> None:
        """Go on without a store, and say so once. A damaged file is removed: the next run has a new one."""
        _log.warning("the store of results is not used, so files are read anew: %s", one_line(error))
        is_damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError
        )
        if is_damaged:
            self._remove()
        self._close()

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db, self.limit = None, 0

    def _remove(self) -> None:
        self._close()
        for ending in _BESIDE if self._folder else ():
            with suppress(OSError):
                (self._folder / f"{_FILE}{ending}").unlink()  # type: ignore[operator]


class Shelf:
    """Entries of one computation, by name; `is_empty` says whether there was none when it was made."""

    def __init__(self, store: ResultStore, prefix: bytes) -> None:
        self._store, self._prefix = store, prefix
        self.is_empty = not store.has(prefix)

    def find(self, name: str) -> bytes | None:
        """The body of a name, as `ResultStore.find`."""
        return self._store.find(self._name_key(name))

    def put(self, name: str, body: bytes) -> None:
        """Keep the body of a name, as `ResultStore.put`."""
        self._store.put(self._name_key(name), body)

    def replace(self, name: str, body: bytes) -> None:
        """Keep the body of a name, as `ResultStore.replace`."""
        self._store.replace(self._name_key(name), body)

    def _name_key(self, name: str) -> bytes:
        hashed = hashlib.sha256(name.encode("utf-8", "surrogateescape"))
        return self._prefix + hashed.digest()[:_NAME_BYTES]


@contextmanager
def _transact(db: sqlite3.Connection) -> Iterator[None]:
    """All that the block writes, or nothing; another process that writes is waited for."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _sum(key: bytes, body: bytes) -> bytes:
    """The checksum of an entry, so that neither a flipped bit nor a body in the wrong place is taken."""
    return zlib.crc32(body, zlib.crc32(key)).to_bytes(_SUM_BYTES, "big")
