"""feed: parts of the split, gathered from shards of one or two folders, as batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import DataError
from pipeline.feed import (
    Part,
    Pictures,
    batches,
    chunks,
    class_weights,
    epoch_order,
    read_extra,
    read_part,
)
from pipeline.paths import Paths
from pipeline.shards import ShardWriter
from pipeline.tables import CLEAN, EXTRA, read_table, write_table

Develop = Callable[..., Paths]
N = 12


@pytest.fixture
def project(develop: Develop, tmp_path: Path) -> Paths:
    """Picture i shows the number i; every third is of class 1, the last three are for validation."""
    pictures = np.arange(N, dtype=np.uint8)[:, None, None, None].repeat(4, axis=1).repeat(4, axis=2)
    y = [int(i % 3 == 0) for i in range(N)]
    return develop(tmp_path, pictures, y, ["train"] * 9 + ["val"] * 3, ["a", "b"])


def part_of(project: Paths, split: str) -> Part:
    return read_part(split, split_path=project.split, manifest_path=project.clean_manifest)


def shown(pictures: Any) -> list[int]:
    return [int(value) for value in pictures[:, 0, 0, 0]]


def test_read_part(project: Paths) -> None:
    train, val, test = (part_of(project, name) for name in ("train", "val", "test"))
    assert train.ids == tuple(f"id-{i:03d}" for i in range(9))
    assert val.y.tolist() == [1, 0, 0]
    assert len(test) == 0


def test_a_picture_that_clean_has_dropped(project: Paths) -> None:
    table = read_table(project.clean_manifest, CLEAN)
    write_table(table.slice(2), project.clean_manifest)
    with pytest.raises(DataError, match=r"2 train pictures are not in .*, the first is id-000"):
        part_of(project, "train")


def test_a_row_that_the_shards_do_not_hold(project: Paths) -> None:
    part = part_of(project, "train")
    lost = Part(part.ids, part.shard, part.row + 5, part.y)
    with pytest.raises(DataError, match="do not belong together"):
        Pictures((project.shards, lost)).gather(np.arange(9))


def with_extra(project: Paths) -> Pictures:
    rows = [{"id": "id-000", "copy": k, "class_index": 1, "shard": 0, "row": k} for k in range(2)]
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), project.extra / "manifest.parquet")
    with ShardWriter(project.extra, 2, (4, 4, 1), 2) as writer:
        for row in range(2):
            writer.write(0, row, np.full((4, 4, 1), 100 + row, np.uint8))
    return Pictures((project.shards, part_of(project, "train")), (project.extra, read_extra(project.extra)))


def test_gather_over_two_folders(project: Paths) -> None:
    pictures = with_extra(project)
    assert len(pictures) == 11
    assert shown(pictures.gather(np.array([10, 0, 9, 3]))) == [101, 0, 100, 3]
    assert pictures.y[[10, 0, 9, 1]].tolist() == [1, 1, 1, 0]
    assert pictures.gather(np.arange(0)).shape == (0, 4, 4, 1)


def test_no_extra_folder(project: Paths) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_extra(project.extra)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param([5, 5], [1, 1], id="even"),
        pytest.param([9, 3], [2 / 3, 2], id="rare weighs more"),
        pytest.param([4, 0], [0.5, 0], id="absent weighs nothing"),
    ],
)
def test_class_weights(counts: list[int], expected: list[float]) -> None:
    y = np.repeat(np.arange(2), counts)
    assert class_weights(y, 2).tolist() == pytest.approx(expected)


def test_epoch_order() -> None:
    first = epoch_order(50, seed=1, epoch=0)
    assert sorted(first) == list(range(50))
    assert np.array_equal(first, epoch_order(50, seed=1, epoch=0))
    assert not np.array_equal(first, epoch_order(50, seed=1, epoch=1))
    assert not np.array_equal(first, epoch_order(50, seed=2, epoch=0))


def test_chunks() -> None:
    assert [index.tolist() for index in chunks(5, 2)] == [[0, 1], [2, 3], [4]]
    assert list(chunks(0, 2)) == []


def test_batches(project: Paths) -> None:
    pictures = with_extra(project)
    fed = batches(pictures, n_classes=2, batch_size=4, weights=np.array([0.5, 2], np.float32), shuffle_seed=3)
    epochs = []
    for _ in range(2):
        got = [fed[i] for i in range(len(fed))]
        assert [len(x) for x, _, _ in got] == [4, 4, 3]
        epochs.append([value for x, _, _ in got for value in shown(x)])
        for x, y, weight in got:
            expected = [1 if value % 3 == 0 or value >= 100 else 0 for value in shown(x)]
            assert y.argmax(axis=1).tolist() == expected
            assert (y.sum(axis=1) == 1).all()
            assert weight.tolist() == [2 if c else 0.5 for c in expected]
        fed.on_epoch_end()
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1]) == [*range(9), 100, 101]


def test_batches_in_order_and_of_even_size(project: Paths) -> None:
    fed = batches(Pictures((project.shards, part_of(project, "train"))), n_classes=2, batch_size=8)
    assert [shown(fed[i][0]) for i in range(len(fed))] == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]
    assert (fed[0][2] == 1).all()
