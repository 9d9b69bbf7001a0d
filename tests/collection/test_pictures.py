"""Parts of the split, read from tables and gathered from the shards of one or two folders."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.collection.pictures import Part, Pictures, choose_rows, cut_into_runs, read_extra
from pipeline.errors import DataError
from pipeline.paths import Paths
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.split import SPLIT
from tests.numbered import Develop, add_extra, develop_numbers, read_numbers, read_split


@pytest.fixture
def project(develop: Develop, tmp_path: Path) -> Paths:
    return develop_numbers(develop, tmp_path)


def test_read_part(project: Paths) -> None:
    train, val, test = (read_split(project, name) for name in ("train", "val", "test"))
    assert train.ids == tuple(f"id-{i:03d}" for i in range(9))
    assert val.y.tolist() == [1, 0, 0]
    assert len(test) == 0


def test_a_picture_that_clean_has_dropped(project: Paths) -> None:
    table = read_table(project.clean_manifest, CLEAN_MANIFEST)
    write_table(table.slice(2), project.clean_manifest)
    with pytest.raises(DataError, match=r"2 train pictures are not in .*, the first is id-000"):
        read_split(project, "train")


def test_a_row_that_the_shards_do_not_hold(project: Paths) -> None:
    part = read_split(project, "train")
    lost = Part(part.ids, part.shard, part.row + 5, part.y)
    with pytest.raises(DataError, match="do not belong together"):
        Pictures((project.shards, lost)).gather(np.arange(9))


def test_gather_over_two_folders(project: Paths) -> None:
    pictures = add_extra(project)
    assert len(pictures) == 11
    assert read_numbers(pictures.gather(np.array([10, 0, 9, 3]))) == [101, 0, 100, 3]
    assert pictures.y[[10, 0, 9, 1]].tolist() == [1, 1, 1, 0]
    assert pictures.gather(np.arange(0)).shape == (0, 4, 4, 1)


def test_a_copy_has_a_name_of_its_own_and_a_picture_its_id(project: Paths) -> None:
    add_extra(project)
    assert list(read_split(project, "val").names) == ["id-009", "id-010", "id-011"]
    assert list(read_extra(project.extra).names) == ["id-000/0", "id-000/1"]


def test_no_extra_folder(project: Paths) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_extra(project.extra)


def test_groups_are_those_of_the_split(project: Paths) -> None:
    """Copies are in the group of their original; pictures of no group stand alone."""
    rows = read_table(project.split, SPLIT).to_pandas()
    rows["fold_group"] = ["scans" if id_ in ("id-000", "id-004") else id_ for id_ in rows["id"]]
    write_table(pa.Table.from_pandas(rows, schema=SPLIT, preserve_index=False), project.split)
    groups = add_extra(project).groups
    assert groups[0] == groups[4] == groups[9] == groups[10]  # the last two are copies of the first
    assert len(set(groups)) == 8
    part = read_split(project, "train")
    assert len(set(Pictures((project.shards, Part(part.ids, part.shard, part.row, part.y))).groups)) == 9
    assert not Pictures((project.shards, part)).has_sources


def test_pictures_without_a_source_are_one_group_beside_those_with_one(project: Paths) -> None:
    rows = read_table(project.split, SPLIT).to_pandas()
    rows["fold_group"] = ["group_by:scans" if id_ in ("id-000", "id-004") else id_ for id_ in rows["id"]]
    write_table(pa.Table.from_pandas(rows, schema=SPLIT, preserve_index=False), project.split)
    pictures = Pictures((project.shards, read_split(project, "train")))
    assert pictures.has_sources
    assert pictures.groups[0] == pictures.groups[4]
    assert len(set(pictures.groups)) == 2


def test_what_looks_alike_is_told_beside_what_the_split_held_together(project: Paths) -> None:
    rows = read_table(project.clean_manifest, CLEAN_MANIFEST).to_pandas()
    rows["duplicate_group"] = ["twins" if id_ in ("id-001", "id-002") else id_ for id_ in rows["id"]]
    table = pa.Table.from_pandas(rows, schema=CLEAN_MANIFEST, preserve_index=False)
    write_table(table, project.clean_manifest)
    part = read_split(project, "train")
    assert part.duplicate_group == ("id-000", "twins", "twins", *part.ids[3:])
    assert part.group == part.ids
    add_extra(project)
    assert read_extra(project.extra).duplicate_group is None


def test_cut_into_runs() -> None:
    assert [index.tolist() for index in cut_into_runs(5, 2)] == [[0, 1], [2, 3], [4]]
    assert list(cut_into_runs(0, 2)) == []


def test_rows_are_chosen_whole() -> None:
    """All that a part says of its pictures goes with them, in the order of the part."""
    n = 24
    ids, numbers = tuple(f"id-{i:02d}" for i in range(n)), np.arange(n)
    names: dict[str, Any] = {
        field: tuple(f"{field} {i // 3}" for i in range(n))
        for field in ("group", "duplicate_group", "fold_group")
    }
    whole = Part(ids, numbers, numbers, numbers % 3, copy=numbers, fold=numbers % 5, **names)
    chosen = choose_rows(whole, np.array([7, 2, 11]))
    for field in fields(Part):
        expected = [getattr(whole, field.name)[i] for i in (2, 7, 11)]
        assert list(getattr(chosen, field.name)) == expected, field.name
    assert choose_rows(Part(ids, numbers, numbers, numbers), np.array([3])).group is None
