"""label_queue_files: what a person fills in is never lost, and what is written can be read as labels."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import DataError
from pipeline.evidence.label_queue import Pool, Scan
from pipeline.evidence.label_queue_files import check_new, find_free_table, write_queue
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import list_labelled, open_container

ParamsOf = Callable[..., Params]
NAMES = ["=cmd", "Text"]


def pool_of(folder: Path, names: list[str]) -> Pool:
    """A pool of pictures in a folder, each of one shade."""
    for shade, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_grey_png([bytes([shade] * 8)] * 8))
    container = open_container(folder)
    entries = {entry.name: entry for entry in container.entries}
    scans = [Scan(container, entries[name.replace("\\", "\\x5c")], f"scans/{name}", name) for name in names]
    return Pool(scans, np.tile(np.array([[0.7, 0.3]], np.float32), (len(names), 1)))


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_is_in_order_and_reads_as_labels(
    project: Paths, tmp_path: Path, params_of: ParamsOf
) -> None:
    pool = pool_of(tmp_path / "scans", ["b/1.png", "a.png", "c.png"])
    copies = write_queue(pool, [2, 0], NAMES, project.label_queue)
    rows = read_rows(project.label_queue)
    assert rows[0] == {
        "path": "queue/c.png",
        "label": "",
        "answer": "'=cmd",
        "probability": "0.700000",
        "split": "train",
        "rank": "1",
        "scan": "scans/c.png",
    }
    assert [row["path"] for row in rows] == ["queue/c.png", "queue/b/1.png"]
    assert [copy.read_bytes() for copy in copies] == [pool.scans[2].read(), pool.scans[0].read()]
    said = list_labelled(project.root, params_of().data)
    assert [(row.path, row.key, row.label) for row in said] == [
        (copy, copy.relative_to(project.root).as_posix(), "") for copy in copies
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["a/x.png", "b/x.png"], ["a/x.png", "b/x.png"], id="folders"),
        pytest.param(["x.png", "X.png", "x-2.png"], ["x.png", "X-2.png", "x-2-2.png"], id="case"),
        pytest.param(
            ["a:b.png", "a?b.png", "q\\r.png"], ["a_b.png", "a_b-2.png", "q_r.png"], id="odd letters"
        ),
        pytest.param(["=x.png", "no ending"], ["=x.png", "no ending"], id="formulas"),
        pytest.param([f"{'é' * 100}.png"], [f"{'é' * 48}.png"], id="long"),
    ],
)
def test_copies_have_names_that_every_system_takes(
    names: list[str], expected: list[str], project: Paths, tmp_path: Path
) -> None:
    pool = pool_of(tmp_path / "scans", names)
    copies = write_queue(pool, range(len(names)), NAMES, project.label_queue)
    folder = project.label_queue.with_suffix("")
    assert [copy.relative_to(folder).as_posix() for copy in copies] == expected
    assert [copy.read_bytes() for copy in copies] == [scan.read() for scan in pool.scans]


def test_the_next_queue_stands_beside_the_first(project: Paths, tmp_path: Path) -> None:
    """Another table may name the copies of the first, as after "save as": nothing of it is touched."""
    pool = pool_of(tmp_path / "scans", ["a.png", "b.png", "c.png"])
    first = project.label_queue
    assert find_free_table(first) == first
    write_queue(pool, [0, 1], NAMES, first)
    first.rename(first.with_name("done.csv"))
    assert find_free_table(first).name == "queue-2.csv", "the folder of its pictures is there"
    second = find_free_table(first)
    check_new(second, second.with_suffix(".png"))
    write_queue(pool, [2], NAMES, second)
    assert sorted(file.name for file in first.with_suffix("").iterdir()) == ["a.png", "b.png"]
    assert find_free_table(first).name == "queue-3.csv"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("queue.csv", r"queue\.csv is there already, .*such as queue-2\.csv$", id="a table"),
        pytest.param("queue/mine.png", "labels/queue is there already", id="its pictures"),
        pytest.param("queue.png", r"queue\.png is there already", id="a sheet"),
    ],
)
def test_nothing_is_written_over(name: str, message: str, project: Paths) -> None:
    table = project.label_queue
    lies_there = table.parent / name
    lies_there.parent.mkdir(exist_ok=True)
    lies_there.write_bytes(b"what somebody made")
    with pytest.raises(DataError, match=message):
        check_new(table, table.with_suffix(".png"))
    check_new(table.with_name("other.csv"), table.with_name("other.png"))


def test_a_table_is_called_as_it_is_read(project: Paths) -> None:
    table = project.label_queue.with_suffix(".txt")
    with pytest.raises(DataError, match=r"the table is a CSV file; call it queue\.csv"):
        check_new(table, table.with_suffix(".png"))


def test_a_scan_that_is_gone_leaves_no_table(project: Paths, tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "scans", ["a.png", "b.png"])
    (tmp_path / "scans/b.png").unlink()
    with pytest.raises(DataError, match=r"scans/b\.png cannot be read any more; run it again"):
        write_queue(pool, [0, 1], NAMES, project.label_queue)
    assert not project.label_queue.exists()
    assert find_free_table(project.label_queue) == project.label_queue, "no copy is left"
