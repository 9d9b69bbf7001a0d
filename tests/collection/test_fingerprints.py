"""Fingerprints by row: what is written is read, in any order, and nothing is left behind."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.fingerprints import FINGERPRINT_BYTES, Fingerprints
from pipeline.errors import StorageError


def test_rows_come_back_and_the_file_leaves_no_trace(tmp_path: Path) -> None:
    with Fingerprints(tmp_path, 5, 2) as prints:
        for row in (3, 0):
            prints.write(row, bytes([row] * 32), row + 50, bytes([row] * 32 + [row + 1] * 32))
        views = prints.read_views(0, 5)
        assert views.shape == (5, 2, FINGERPRINT_BYTES)
        assert views[:, :, 0].tolist() == [[0, 1], [0, 0], [0, 0], [3, 4], [0, 0]]
        assert (prints.read_views(3, 4) == views[3:4]).all()
        assert prints.quality.tolist() == [50, -1, -1, 53, -1]
        assert (prints.pdq[:, 0] == np.array([0, 0, 0, 3, 0])).all()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("pdq", "views"), [(31, 64), (32, 63)])
def test_another_length_is_an_error(tmp_path: Path, pdq: int, views: int) -> None:
    with Fingerprints(tmp_path, 1, 2) as prints, pytest.raises(ValueError, match="expected 32 and 64 bytes"):
        prints.write(0, bytes(pdq), 1, bytes(views))


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("r+b") as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
        with Fingerprints(tmp_path, 9, 2) as prints:
            prints.write(8, bytes(32), 1, bytes(64))
            with pytest.raises(StorageError, match="No space left on device; free space"):
                prints.read_views(0, 9)
