"""What lies beside a model's test answers: what it learned from, and how it does on sources left out.

A test set mostly holds pictures of the sources that were learned from. The answers out of fold do not. They
come from networks trained as the model was, without the picture's source. So they are an exam of their own.
Pictures of a source stand and fall together, and a source counts once.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.evidence.paired_groups import Pair
from pipeline.paths import Paths
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.learnt import LEARNT
from pipeline.tables.new_sources import NEW_SOURCES
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import build_table, read_table
from pipeline.tables.split import NAMED, SPLIT
from pipeline.tables.started_from import STARTED_FROM


def read_start(file: Path) -> str:
    """The name of the model that training started from, by started_from.parquet; "" if there was none."""
    names = read_table(file, STARTED_FROM)["model"].unique().to_pylist()
    return str(names[0]) if names else ""


def read_groups(clean_manifest: Path) -> dict[str, str]:
    """The group of near-duplicates of each picture of a collection, by id."""
    columns = read_table(clean_manifest, CLEAN_MANIFEST).select(["id", "duplicate_group"]).to_pydict()
    return dict(zip(columns["id"], columns["duplicate_group"], strict=True))


def list_learnt(paths: Paths) -> pa.Table:
    """The pictures that the model learned from, or that chose its weights; with those of its start."""
    split = read_table(paths.split, SPLIT)
    learnt = split.filter(pc.not_equal(split["split"], "test"))
    part = _index(learnt, "split")
    started = read_table(paths.started_from, STARTED_FROM)
    for id_, before in _index(started, "part").items():
        part[id_] = "train" if before == "train" else part.get(id_, before)
    clean = read_table(paths.clean_manifest, CLEAN_MANIFEST)
    pdq, quality = (_index(started, name) | _index(clean, name) for name in ("pdq", "pdq_quality"))
    rows = (
        {"id": id_, "part": name, "pdq": pdq.get(id_), "pdq_quality": quality.get(id_)}
        for id_, name in part.items()
    )
    return build_table(rows, LEARNT, sort_by="id")


def list_new_sources(paths: Paths) -> pa.Table:
    """The answers of a state to pictures of sources that were left out; empty where none has a name."""
    sources = _read_sources(paths)
    answers = read_table(paths.out_of_fold, OUT_OF_FOLD).select(["id", "predicted"])
    rows = zip(answers["id"].to_pylist(), answers["predicted"].to_pylist(), strict=True)
    found = ({"id": id_, "predicted": predicted} for id_, predicted in rows if id_ in sources)
    return build_table(found, NEW_SOURCES, sort_by="id")


def pair_answers(
    challenger: pa.Table, champion: pa.Table, paths: Paths, class_names: tuple[str, ...]
) -> Pair | None:
    """Both models' answers to the pictures that both have, grouped by source; None where there are none.

    Args:
        challenger, champion: what `list_new_sources` made of each.
        paths: of the state that says today's labels and sources.
        class_names: in the order of their numbers.
    """
    number = {name: i for i, name in enumerate(class_names)}
    theirs = dict(zip(champion["id"].to_pylist(), champion["predicted"].to_pylist(), strict=True))
    sources = _read_sources(paths)
    rows = [
        (sources[id_], number[predicted], number[theirs[id_]])
        for id_, predicted in zip(
            challenger["id"].to_pylist(), challenger["predicted"].to_pylist(), strict=True
        )
        if id_ in sources and theirs.get(id_) in number
    ]
    if not rows:
        return None
    groups = np.unique([group for (group, _), _, _ in rows], return_inverse=True)[1]
    y_true = np.array([y for (_, y), _, _ in rows])
    first, second = (np.array([row[i] for row in rows]) for i in (1, 2))
    return Pair(y_true, first, second, groups, len(class_names))


def _index(table: pa.Table, column: str) -> dict[str, Any]:
    return dict(zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True))


def _read_sources(paths: Paths) -> dict[str, tuple[str, int]]:
    """The source and the class number of each picture of train and val that has a source."""
    split = read_table(paths.split, SPLIT)
    named = pc.starts_with(split["fold_group"], NAMED)
    rows = split.filter(pc.and_(named, pc.not_equal(split["split"], "test")))
    columns = (rows[name].to_pylist() for name in ("id", "fold_group", "class_index"))
    return {id_: (group, y) for id_, group, y in zip(*columns, strict=True)}
