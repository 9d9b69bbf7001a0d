"""Fingerprints of a collection by row: 32 bytes per picture in memory, and their views in an unnamed file."""

import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.storage import make_folder, translate_errors

FINGERPRINT_BYTES = 32


class Fingerprints:
    """Fingerprints of `n` pictures and their views, written in any order; a context manager.

    `pdq` is uint8 [n, 32] and `quality` int16 [n], -1 for a row that was not written. Views take over 1 kB
    per picture. They lie on disk, so memory hardly grows with the collection. They need not be synced: no
    later process reads them.

    Raises:
        StorageError: the file cannot be made, written or read.
    """

    def __init__(self, folder: Path, n: int, n_views: int) -> None:
        make_folder(folder)
        self.pdq = np.zeros((n, FINGERPRINT_BYTES), dtype=np.uint8)
        self.quality = np.full(n, -1, dtype=np.int16)
        self._shape = (n_views, FINGERPRINT_BYTES)
        self._folder = folder
        with translate_errors(folder):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed on exit)

    def __enter__(self) -> Self:
        return self

    def write(self, row: int, pdq: bytes, quality: int, views: bytes) -> None:
        """Write one fingerprint to its row. `views` may be empty; the row's views then stay zeros.

        Raises:
            ValueError: `pdq` or `views` has another length.
        """
        n_bytes = self._shape[0] * FINGERPRINT_BYTES
        if len(pdq) != FINGERPRINT_BYTES or len(views) not in (0, n_bytes):
            raise ValueError(
                f"expected {FINGERPRINT_BYTES} and {n_bytes} bytes, got {len(pdq)} and {len(views)}"
            )
        self.pdq[row] = np.frombuffer(pdq, dtype=np.uint8)
        self.quality[row] = quality
        with translate_errors(self._folder):
            self._file.seek(row * n_bytes)
            self._file.write(views)

    def read_views(self, start: int, stop: int) -> NDArray[np.uint8]:
        """The views of rows start to stop, uint8 [stop - start, v, 32]; zeros where none were written."""
        n_bytes = self._shape[0] * FINGERPRINT_BYTES
        with translate_errors(self._folder):
            self._file.seek(start * n_bytes)
            data = self._file.read((stop - start) * n_bytes).ljust((stop - start) * n_bytes, b"\0")
        return np.frombuffer(data, dtype=np.uint8).reshape(stop - start, *self._shape)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # it has no name, so nothing is left; what mattered was read before
            self._file.close()
