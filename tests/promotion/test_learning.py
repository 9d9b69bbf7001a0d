"""What lies beside a model's test answers: what it learned from, and its answers on new sources."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.paths import Paths
from pipeline.promotion.learning import list_learnt, list_new_sources, pair_answers, read_start
from pipeline.promotion.parts import compare_parts
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.new_sources import NEW_SOURCES
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import write_table
from pipeline.tables.split import SPLIT
from pipeline.tables.started_from import STARTED_FROM


def write(rows: list[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pa.Table.from_pylist(rows, schema=schema), path)


def build(tmp_path: Path) -> Paths:
    """Pictures of three sources and one without, in train and val; one in test."""
    paths = Paths(tmp_path)
    rows = [
        ("a1", "cat", 0, "train", "group_by:alps"),
        ("a2", "dog", 1, "val", "group_by:alps"),
        ("b1", "cat", 0, "train", "group_by:bern"),
        ("c1", "dog", 1, "train", "group_by:chur"),
        ("d1", "dog", 1, "train", "d1"),
        ("t1", "cat", 0, "test", "group_by:thun"),
    ]
    names = ("id", "class_name", "class_index", "split", "fold_group")
    write([dict(zip(names, row, strict=True)) for row in rows], SPLIT, paths.split)
    write([], STARTED_FROM, paths.started_from)
    kept = [{"id": id_, "pdq": bytes(32), "pdq_quality": 50} for id_ in ("a1", "a2", "b1", "c1", "d1", "t1")]
    write(kept, CLEAN_MANIFEST, paths.clean_manifest)
    answers = [{"id": id_, "predicted": "cat"} for id_ in ("a1", "a2", "b1", "c1", "d1")]
    write(answers, OUT_OF_FOLD, paths.out_of_fold)
    return paths


def test_what_is_not_tested_was_learned_from(tmp_path: Path) -> None:
    assert list_learnt(build(tmp_path))["id"].to_pylist() == ["a1", "a2", "b1", "c1", "d1"]


def test_what_its_start_learned_from_was_learned_from(tmp_path: Path) -> None:
    """Also pictures that are gone; and what a start only validated on is learned from if it is now."""
    paths = build(tmp_path)
    assert read_start(paths.started_from) == ""
    started = [("a1", "val"), ("a2", "train"), ("gone", "val")]
    rows = [{"id": id_, "part": part, "model": "m version 2"} for id_, part in started]
    write(rows, STARTED_FROM, paths.started_from)
    learnt = {row["id"]: row["part"] for row in list_learnt(paths).to_pylist()}
    others = dict.fromkeys(("b1", "c1", "d1"), "train")
    assert learnt == {"a1": "train", "a2": "train", "gone": "val"} | others
    assert read_start(paths.started_from) == "m version 2"


def test_only_pictures_with_a_source_count(tmp_path: Path) -> None:
    assert list_new_sources(build(tmp_path)).to_pylist() == [
        {"id": id_, "predicted": "cat"} for id_ in ("a1", "a2", "b1", "c1")
    ]


def test_two_models_are_paired_by_source(tmp_path: Path) -> None:
    """The challenger says cat to all; the champion is right wherever it was asked."""
    paths = build(tmp_path)
    champion = [("a1", "cat"), ("a2", "dog"), ("c1", "dog"), ("gone", "dog"), ("b1", "a class of then")]
    theirs = pa.Table.from_pylist(
        [dict(zip(("id", "predicted"), one, strict=True)) for one in champion], schema=NEW_SOURCES
    )
    pair = pair_answers(list_new_sources(paths), theirs, paths, ("cat", "dog"))
    assert pair is not None
    assert pair.y_true.tolist() == [0, 1, 1]
    assert pair.first.tolist() == [0, 0, 0]
    assert pair.second.tolist() == [0, 1, 1]
    assert pair.groups.tolist() == [0, 0, 1]
    part = compare_parts(pair.choose(pair.y_true > 5), ("cat", "dog"), (), pair)
    assert [(one.name, one.n, one.won, one.lost) for one in part] == [
        ("sources that were not learned from", 2, 0, 2)
    ]


def test_without_answers_there_is_no_exam(tmp_path: Path) -> None:
    paths = build(tmp_path)
    nothing = pa.Table.from_pylist([], schema=NEW_SOURCES)
    assert pair_answers(list_new_sources(paths), nothing, paths, ("cat", "dog")) is None
