"""batches: what Keras is fed, picture by picture: their order, their labels, their weights, their sides."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.collection.pictures import Pictures, read_extra
from pipeline.collection.shards import ShardWriter
from pipeline.paths import Paths
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import write_table
from pipeline.training.batches import Batches, shuffle_epoch, weigh_pictures
from pipeline.training.frozen_features import Features
from tests.numbered import Develop, N, add_extra, develop_numbers, read_numbers, read_split


@pytest.fixture
def project(develop: Develop, tmp_path: Path) -> Paths:
    return develop_numbers(develop, tmp_path)


@pytest.mark.parametrize(
    ("y", "groups", "by", "expected"),
    [
        pytest.param("0011", "0123", "class", [1, 1, 1, 1], id="even"),
        pytest.param("0001", "0123", "class", [2 / 3, 2 / 3, 2 / 3, 2], id="a rare class weighs more"),
        pytest.param("0002", "0123", "class", [2 / 3, 2 / 3, 2 / 3, 2], id="a class that does not occur"),
        pytest.param("0001", "0013", "group", [0.75, 0.75, 1.5, 1], id="a small group weighs more"),
        pytest.param(
            "0001", "0010", "group", [0.75, 0.75, 1.5, 1], id="a group of two classes is one in each"
        ),
        pytest.param("0001", "0013", "both", [0.5, 0.5, 1, 2], id="both"),
        pytest.param("0001", "0013", "neither", [1, 1, 1, 1], id="neither"),
        pytest.param("0000", "0-01", "group", [0.75, 1, 0.75, 1.5], id="one without a source is no source"),
        pytest.param("001", "-0-", "both", [0.75, 0.75, 1.5], id="and by class"),
        pytest.param("", "", "both", [], id="nothing"),
    ],
)
def test_picture_weights(y: str, groups: str, by: str, expected: list[float]) -> None:
    values = np.empty((len(y), 1), np.float32)
    numbers = np.array([-1 if group == "-" else int(group) for group in groups], np.int64)
    pictures = Features(values, np.array([*y], np.int64), numbers)
    weights = weigh_pictures(pictures, by_class=by in ("class", "both"), by_group=by in ("group", "both"))
    assert weights.dtype == np.float32
    assert weights.tolist() == pytest.approx(expected)


def test_epoch_order() -> None:
    first = shuffle_epoch(50, seed=1, epoch=0)
    assert sorted(first) == list(range(50))
    assert np.array_equal(first, shuffle_epoch(50, seed=1, epoch=0))
    assert not np.array_equal(first, shuffle_epoch(50, seed=1, epoch=1))
    assert not np.array_equal(first, shuffle_epoch(50, seed=2, epoch=0))


def test_batches(project: Paths) -> None:
    pictures = add_extra(project)
    weights = np.where(pictures.y == 1, 2, 0.5).astype(np.float32)
    fed = Batches(pictures, n_classes=2, batch_size=4, weights=weights, shuffle_seed=3)
    epochs = []
    for got in run_epochs(fed, 2):
        assert [len(x) for x, _, _ in got] == [4, 4, 3]
        epochs.append([value for x, _, _ in got for value in read_numbers(x)])
        for x, y, weight in got:
            expected = [1 if value % 3 == 0 or value >= 100 else 0 for value in read_numbers(x)]
            assert y.argmax(axis=1).tolist() == expected
            assert (y.sum(axis=1) == 1).all()
            assert weight.tolist() == [2 if c else 0.5 for c in expected]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1]) == [*range(9), 100, 101]


def find_sides(pictures: Any) -> dict[int, str]:
    """Which way pictures point: their number is in their middle, and a dark column on the left or right."""
    return {int(p[1, 1, 0]): "left" if p[0, 0, 0] == 255 else "right" for p in pictures}


@pytest.fixture
def pointing(project: Paths) -> Pictures:
    """Nine pictures that point left, and two copies of the first that do too."""
    train = read_split(project, "train")
    rows = [
        {"id": "id-000", "copy": k, "kind": "altered", "class_index": 1, "shard": 0, "row": k} for k in (0, 1)
    ]
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), project.extra / "manifest.parquet")
    for folder, numbers in ((project.shards, range(N)), (project.extra, range(100, 102))):
        with ShardWriter(folder, len(numbers), (4, 4, 1), 100) as writer:
            for row, number in enumerate(numbers):
                picture = np.full((4, 4, 1), number, np.uint8)
                picture[:, 0] = 255
                writer.write(0, row, picture)
    return Pictures((project.shards, train), (project.extra, read_extra(project.extra)))


def run_epochs(fed: Batches, n: int, *, first: int = 0) -> list[list[Any]]:
    """The batches of some epochs as (pictures, labels, weights), asked for as Keras does."""
    epochs = []
    for epoch in range(first, first + n):
        fed.set_epoch(epoch)
        got = [fed[i] for i in range(len(fed))]
        assert all(x["labels"] is y for x, y, _ in got)
        epochs.append([(x["pictures"], y, weight) for x, y, weight in got])
    return epochs


def list_sides(epoch: list[Any]) -> dict[int, str]:
    return {number: side for x, _, _ in epoch for number, side in find_sides(x).items()}


def test_pictures_are_mirrored_in_every_other_epoch(pointing: Pictures) -> None:
    fed = Batches(pointing, n_classes=2, batch_size=4, shuffle_seed=3, mirrored=True)
    first, second, third, fourth = map(list_sides, run_epochs(fed, 4))
    assert len(first) == 11
    assert (first, second) == (third, fourth)
    assert all(first[number] != second[number] for number in first)
    names = [*(f"id-{i:03d}" for i in range(9)), "id-000/0", "id-000/1"]
    odd = [bool(hashlib.sha256(name.encode()).digest()[0] % 2) for name in names]
    assert 2 < sum(odd) < 9  # both kinds occur
    assert [first[n] == "right" for n in (*range(9), 100, 101)] == odd


def test_without_mirroring_all_stay(pointing: Pictures) -> None:
    fed = Batches(pointing, n_classes=2, batch_size=4, shuffle_seed=3)
    assert {side for epoch in run_epochs(fed, 2) for side in list_sides(epoch).values()} == {"left"}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("first_epoch", [1, 2, 5])
def test_a_later_first_epoch(pointing: Pictures, first_epoch: int, mirrored: bool) -> None:
    """What continues after a checkpoint sees what it would have seen."""
    how: dict[str, Any] = {"n_classes": 2, "batch_size": 4, "shuffle_seed": 3, "mirrored": mirrored}
    undisturbed = run_epochs(Batches(pointing, **how), 7)[first_epoch:]
    fed = Batches(pointing, **how, first_epoch=first_epoch)
    at_once = [fed[i][0]["pictures"] for i in range(len(fed))]
    assert all(np.array_equal(a, b[0]) for a, b in zip(at_once, undisturbed[0], strict=True))
    resumed = run_epochs(fed, 7 - first_epoch, first=first_epoch)
    for expected, got in zip(undisturbed, resumed, strict=True):
        for one, other in zip(expected, got, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_shards_are_not_mirrored(pointing: Pictures) -> None:
    run_epochs(Batches(pointing, n_classes=2, batch_size=4, mirrored=True), 1)
    assert set(find_sides(pointing.gather(np.arange(11))).values()) == {"left"}


def test_batches_in_order_and_of_even_size(project: Paths) -> None:
    fed = Batches(Pictures((project.shards, read_split(project, "train"))), n_classes=2, batch_size=8)
    (got,) = run_epochs(fed, 1)
    assert [read_numbers(x) for x, _, _ in got] == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]
    assert (got[0][2] == 1).all()


@pytest.mark.parametrize(
    ("multiple_of", "batch_size", "sizes"),
    [
        pytest.param(1, 4, [3, 3, 3], id="one device"),
        pytest.param(2, 4, [4, 4, 2], id="two devices"),
        pytest.param(2, 5, [4, 4, 2], id="a batch size that does not fit"),
        pytest.param(4, 4, [4, 4, 4], id="four devices"),
        pytest.param(4, 2, [4, 4, 4], id="at least a picture each"),
    ],
)
def test_batches_that_devices_share(
    project: Paths, multiple_of: int, batch_size: int, sizes: list[int]
) -> None:
    """Nine pictures, each at least once, those that come twice the first of the epoch."""
    pictures = Pictures((project.shards, read_split(project, "train")))
    fed = Batches(pictures, n_classes=2, batch_size=batch_size, shuffle_seed=1, multiple_of=multiple_of)
    (got,) = run_epochs(fed, 1)
    assert [len(x) for x, _, _ in got] == sizes
    seen = [value for x, _, _ in got for value in read_numbers(x)]
    assert sorted(seen[:9]) == list(range(9))
    assert seen[9:] == seen[: len(seen) - 9]


@pytest.mark.parametrize("n_hosts", [2, 3])
def test_hosts_give_the_parts_of_the_same_batches(n_hosts: int, pointing: Pictures) -> None:
    """Put together, they are what one host gives with as many devices."""
    weights = np.arange(len(pointing), dtype=np.float32)
    how: dict[str, Any] = {"n_classes": 2, "batch_size": 6, "shuffle_seed": 1, "mirrored": True}
    how |= {"multiple_of": n_hosts, "weights": weights}
    whole = Batches(pointing, **how)
    parts = [Batches(pointing, **how, part=(i, n_hosts)) for i in range(n_hosts)]
    assert {len(part) for part in parts} == {len(whole)}
    for number in range(len(whole)):
        given = [part[number] for part in parts]
        pictures, labels, weighed = whole[number]
        assert np.array_equal(pictures["pictures"], np.concatenate([one[0]["pictures"] for one in given]))
        assert np.array_equal(labels, np.concatenate([one[1] for one in given]))
        assert np.array_equal(weighed, np.concatenate([one[2] for one in given]))
        assert len({len(one[2]) for one in given}) == 1
