"""A project of twelve pictures that show their own numbers: for the tests of parts and of batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.collection.pictures import Part, Pictures, read_extra, read_part
from pipeline.collection.shards import ShardWriter
from pipeline.paths import Paths
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import write_table

N = 12

Develop = Callable[..., Paths]


def develop_numbers(develop: Develop, root: Path) -> Paths:
    """Picture i shows the number i; every third is of class 1, the last three are for validation."""
    pictures = np.arange(N, dtype=np.uint8)[:, None, None, None].repeat(4, axis=1).repeat(4, axis=2)
    y = [int(i % 3 == 0) for i in range(N)]
    return develop(root, pictures, y, ["train"] * 9 + ["val"] * 3, ["a", "b"])


def read_split(project: Paths, split: str) -> Part:
    return read_part(split, split_path=project.split, manifest_path=project.clean_manifest)


def read_numbers(pictures: Any) -> list[int]:
    return [int(value) for value in pictures[:, 0, 0, 0]]


def add_extra(project: Paths) -> Pictures:
    """The training pictures, and two copies of the first, which show 100 and 101."""
    rows = [
        {"id": "id-000", "copy": k, "kind": "altered", "class_index": 1, "shard": 0, "row": k}
        for k in range(2)
    ]
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), project.extra / "manifest.parquet")
    with ShardWriter(project.extra, 2, (4, 4, 1), 2) as writer:
        for row in range(2):
            writer.write(0, row, np.full((4, 4, 1), 100 + row, np.uint8))
    return Pictures(
        (project.shards, read_split(project, "train")), (project.extra, read_extra(project.extra))
    )
