"""Pictures go into shards in any order and come back as they were."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.collection.shards import MAX_SHARDS, Shards, ShardWriter, count_rows_per_shard
from pipeline.errors import DataError, StorageError

SHAPE = (4, 3, 2)
N, PER_SHARD = 25, 10


def make_pictures(n: int = N) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, *SHAPE), np.uint8)


def write(folder: Path, order: list[int] | NDArray[np.int64], n: int = N) -> None:
    with ShardWriter(folder, n, SHAPE, PER_SHARD) as writer:
        for i in order:
            writer.write(*divmod(int(i), PER_SHARD), make_pictures(n)[i])


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_gathered_is_what_was_written(tmp_path: Path) -> None:
    write(tmp_path, list(range(N)))
    shards = Shards(tmp_path)
    at = np.random.default_rng(1).integers(0, N, 200)
    assert (shards.gather(at // PER_SHARD, at % PER_SHARD) == make_pictures()[at]).all()
    assert (len(shards), shards.picture_shape) == (N, SHAPE)
    assert len(read_files(tmp_path)) == 3


def test_gather_of_nothing_has_the_shape_of_a_picture(tmp_path: Path) -> None:
    write(tmp_path, list(range(N)))
    nothing = np.array([], np.int64)
    assert Shards(tmp_path).gather(nothing, nothing).shape == (0, *SHAPE)


def test_the_order_of_writing_changes_no_byte(tmp_path: Path) -> None:
    write(tmp_path / "a", list(range(N)))
    write(tmp_path / "b", np.random.default_rng(2).permutation(N))
    assert read_files(tmp_path / "a") == read_files(tmp_path / "b")


def test_rows_never_written_stay_black_and_move_no_other(tmp_path: Path) -> None:
    write(tmp_path, [i for i in range(N) if i != 12])
    shards = Shards(tmp_path)
    assert not shards.gather(np.array([1]), np.array([2])).any()
    assert (shards.gather(np.array([1]), np.array([3]))[0] == make_pictures()[13]).all()


def test_no_pictures_make_one_empty_shard(tmp_path: Path) -> None:
    write(tmp_path, [], n=0)
    assert (len(Shards(tmp_path)), Shards(tmp_path).picture_shape) == (0, SHAPE)


def test_numpy_reads_a_shard(tmp_path: Path) -> None:
    write(tmp_path, list(range(N)))
    assert (np.load(tmp_path / "shard-00002.npy") == make_pictures()[20:]).all()


def test_shards_of_an_earlier_run_are_replaced_and_not_edited(tmp_path: Path) -> None:
    write(tmp_path / "shards", list(range(N)))
    kept = tmp_path / "kept.npy"
    kept.hardlink_to(tmp_path / "shards" / "shard-00000.npy")
    before = kept.read_bytes()
    write(tmp_path / "shards", [1], n=2)
    assert list(read_files(tmp_path / "shards")) == ["shard-00000.npy"]
    assert kept.read_bytes() == before


def test_a_system_that_writes_less_than_asked_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[: max(1, len(data) // 2)], at))
    write(tmp_path / "a", list(range(N)))
    monkeypatch.undo()
    write(tmp_path / "b", list(range(N)))
    assert read_files(tmp_path / "a") == read_files(tmp_path / "b")


def test_a_shard_has_its_room_before_a_picture_is_written(tmp_path: Path) -> None:
    """A hole would be read as black on a full disk, or kill who reads its memory map."""
    shape = (64, 64, 3)
    with ShardWriter(tmp_path, 100, shape, 100):
        (part,) = tmp_path.iterdir()
        assert part.stat().st_blocks * 512 >= 100 * 64 * 64 * 3


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_disk_that_cannot_promise_room_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    write(tmp_path / "a", [0])
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    write(tmp_path / "b", [0])
    assert read_files(tmp_path / "a") == read_files(tmp_path / "b")


@pytest.mark.parametrize("name", ["pwrite", "posix_fallocate", "fsync"])
def test_a_disk_that_fails_is_one_line_and_leaves_no_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(StorageError, match="No space left on device; free space on that disk"):
        write(tmp_path, [0])
    assert read_files(tmp_path) == {}


def test_a_folder_that_is_removed_meanwhile_is_one_line(tmp_path: Path) -> None:
    def remove() -> None:
        with ShardWriter(tmp_path / "shards", N, SHAPE, PER_SHARD):
            shutil.rmtree(tmp_path / "shards")

    with pytest.raises(StorageError, match="removed meanwhile"):
        remove()


def test_an_error_leaves_no_shard(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ShardWriter(tmp_path, N, SHAPE, PER_SHARD):
        raise KeyError
    assert read_files(tmp_path) == {}


@pytest.mark.parametrize(
    ("shard", "row", "picture"),
    [
        pytest.param(0, 0, np.zeros((4, 3, 3), np.uint8), id="shape"),
        pytest.param(0, 0, np.zeros(SHAPE, np.float32), id="dtype"),
        pytest.param(0, PER_SHARD, np.zeros(SHAPE, np.uint8), id="row of the next shard"),
        pytest.param(2, 5, np.zeros(SHAPE, np.uint8), id="row past the end"),
        pytest.param(-1, 0, np.zeros(SHAPE, np.uint8), id="negative"),
    ],
)
def test_writing_what_does_not_fit_is_an_error(
    tmp_path: Path, shard: int, row: int, picture: NDArray[np.uint8]
) -> None:
    with ShardWriter(tmp_path, N, SHAPE, PER_SHARD) as writer, pytest.raises(ValueError, match="shard"):
        writer.write(shard, row, picture)


@pytest.mark.parametrize(("shard", "row"), [(3, 0), (-1, 0), (2, 5)])
def test_gathering_what_is_not_there_is_an_error(tmp_path: Path, shard: int, row: int) -> None:
    write(tmp_path, [])
    with pytest.raises(IndexError):
        Shards(tmp_path).gather(np.array([shard]), np.array([row]))


@pytest.mark.parametrize("n", [0, 1, 1000, 60_000, 1_000_000])
@pytest.mark.parametrize("shape", [(8, 8, 1), (128, 128, 3), (4096, 4096, 3)])
def test_there_are_at_most_a_hundred_shards(n: int, shape: tuple[int, int, int]) -> None:
    per_shard = count_rows_per_shard(n, shape)
    assert per_shard >= 1
    assert -(-n // per_shard) <= MAX_SHARDS


def test_shards_that_are_missing_or_damaged_are_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no shards"):
        Shards(tmp_path)
    write(tmp_path, list(range(N)))
    shard = tmp_path / "shard-00001.npy"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a whole shard"):
        Shards(tmp_path)
    np.save(shard, np.zeros((2, 9, 9, 1), np.uint8))
    with pytest.raises(DataError, match="different shapes"):
        Shards(tmp_path)
    np.save(shard, np.zeros((2, *SHAPE)))
    with pytest.raises(DataError, match="must hold uint8"):
        Shards(tmp_path)
