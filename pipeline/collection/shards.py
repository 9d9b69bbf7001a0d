"""Canonical pictures packed in .npy files on disk: written row by row, read memory-mapped.

A shard is uint8 [n, height, width, channels]. Picture i of a collection lies in shard i // per_shard, row i %
per_shard. A row that is never written stays black, and no manifest may refer to it. Rows are assigned before
the pictures are made, so neither their order nor a failure moves any other picture.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.storage import make_folder, sync_folder, translate_errors

MAX_SHARDS = 100
_SHARD_BYTES = 64 << 20  # per shard, unless that makes more than MAX_SHARDS


def count_rows_per_shard(n: int, picture_shape: tuple[int, int, int]) -> int:
    """How many pictures a shard holds, so that `n` of them make at most about 100 files."""
    fitting = _SHARD_BYTES // int(np.prod(picture_shape))
    return max(1, fitting, -(-n // MAX_SHARDS))


class ShardWriter:
    """Writes `n` pictures of one shape in any order; a context manager.

    The files appear under their names, and are on the disk, when the context ends without an error; otherwise
    there is none. Shards of an earlier run in the same folder are removed, never edited: DVC may have linked
    them from its cache. Their room on the disk is taken at once, so a full disk ends the work at its start.

    Raises:
        StorageError: the shards cannot be written.
    """

    def __init__(self, folder: Path, n: int, picture_shape: tuple[int, int, int], per_shard: int) -> None:
        self.folder, self.n, self.picture_shape, self.per_shard = folder, n, picture_shape, per_shard
        self._files: list[IO[bytes]] = []
        self._starts: list[int] = []

    def __enter__(self) -> Self:
        make_folder(self.folder)
        try:
            with translate_errors(self.folder):
                self._remove_all()
                for first in range(0, max(self.n, 1), self.per_shard):
                    self._create(min(self.per_shard, self.n - first))
        except BaseException:
            self._discard()
            raise
        return self

    def _create(self, n_rows: int) -> None:
        """Create a black shard: its header, then zeros."""
        file = self._find_part(len(self._files)).open("wb")
        self._files.append(file)
        header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, *self.picture_shape)}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        self._starts.append(file.tell())
        _reserve(file, n_rows * int(np.prod(self.picture_shape)))

    def write(self, shard: int, row: int, picture: NDArray[np.uint8]) -> None:
        """Write one picture to its row.

        Raises:
            ValueError: the picture has another shape or dtype, or the row is not one of the `n`.
            StorageError: it cannot be written.
        """
        if picture.shape != self.picture_shape or picture.dtype != np.uint8:
            raise ValueError(
                f"a picture of this shard is uint8 {self.picture_shape}, got {picture.dtype} {picture.shape}"
            )
        if not (0 <= row < self.per_shard and 0 <= shard * self.per_shard + row < self.n):
            raise ValueError(f"shard {shard}, row {row} is not one of {self.n} rows")
        # pwrite and not a memory map: written pages of a map would count as this process's memory.
        rest, at = memoryview(picture.tobytes()), self._starts[shard] + row * picture.nbytes
        with translate_errors(self.folder / _name_shard(shard)):
            while rest:
                n_written = os.pwrite(self._files[shard].fileno(), rest, at)
                rest, at = rest[n_written:], at + n_written

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            with translate_errors(self.folder):
                for number, file in enumerate(self._files):
                    os.fsync(file.fileno())
                    file.close()
                    self._find_part(number).replace(self.folder / _name_shard(number))
                sync_folder(self.folder)
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        """Leave nothing behind. What fails here is not told: another error is on its way."""
        for file in self._files:
            with suppress(OSError):
                file.close()
        with suppress(OSError):
            self._remove_all()

    def _remove_all(self) -> None:
        for path in self.folder.glob("*.npy*"):
            path.unlink()

    def _find_part(self, number: int) -> Path:
        return self.folder / f"{_name_shard(number)}.part"


class Shards:
    """Random access to the pictures in a folder of shards; opens them once, reads what is asked for.

    Raises:
        DataError: the folder holds no shards, or one of them is not uint8 of the others' shape.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.npy"))
        if not paths:
            raise DataError(f"{folder} holds no shards; run `dvc repro` to make them")
        self._maps = [_map_file(path) for path in paths]
        self.picture_shape: tuple[int, int, int] = self._maps[0].shape[1:]
        if any(shard.shape[1:] != self.picture_shape for shard in self._maps):
            raise DataError(f"{folder} holds shards of different shapes; run `dvc repro` to make them again")

    def __len__(self) -> int:
        return sum(len(shard) for shard in self._maps)

    def gather(self, shard: NDArray[np.integer[Any]], row: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Pictures by shard and row, both int [n]: uint8 [n, height, width, channels], in the order given.

        Raises:
            IndexError: a shard or row does not exist.
        """
        shard, row = np.asarray(shard, dtype=np.int64), np.asarray(row, dtype=np.int64)
        pictures = np.empty((len(shard), *self.picture_shape), dtype=np.uint8)
        for number in np.unique(shard):
            if number < 0:
                raise IndexError(f"there is no shard {number}")
            at = np.flatnonzero(shard == number)
            at = at[np.argsort(row[at], kind="stable")]  # the disk is read forwards
            pictures[at] = self._maps[number][row[at]]
        return pictures


def _reserve(file: IO[bytes], n_bytes: int) -> None:
    """Lengthen a file by zeros that have their room on the disk, where the system can promise that.

    A hole would be cheaper, but a memory map of one kills its reader when the disk (tmpfs) is full.
    """
    start = file.tell()
    file.truncate(start + n_bytes)
    if n_bytes and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), start, n_bytes)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a disk that cannot
                raise


def _map_file(path: Path) -> NDArray[np.uint8]:
    try:
        shard: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a whole shard: {error}; run `dvc repro` to make it again") from None
    if shard.dtype != np.uint8 or shard.ndim != 4:
        raise DataError(
            f"{path} must hold uint8 [n, h, w, c], got {shard.dtype} {shard.shape}; run `dvc repro`"
        )
    return shard


def _name_shard(number: int) -> str:
    return f"shard-{number:05d}.npy"
