"""Pictures that a model knows: those that it learned from, and those that look like one of them.

A file that was saved again, or without its metadata, is another file with the same picture. While both are in
the collection they are in one group of near-duplicates. Where the one that was learned from is gone, it is
known by its fingerprint, which is kept with the model. A fingerprint says nothing of a picture of less than
32 pixels a side, or without structure. Nor does it know a picture again that was turned or cropped.
"""

from collections.abc import Set
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collection.near_duplicates import link_near
from pipeline.collection.near_links import find_components
from pipeline.errors import DataError
from pipeline.params import CleanParams
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.learnt import LEARNT
from pipeline.tables.parquet import read_table

TRAIN = "train"
_IDS = pa.schema([LEARNT.field("id")])
_PRINTS = ["id", "pdq", "pdq_quality"]


def read_learnt(file: Path) -> pa.Table:
    """The pictures that a model learned from, as LEARNT; what an older Darkroom did not write is null."""
    try:
        return read_table(file, LEARNT)
    except DataError:
        ids = read_table(file, _IDS)["id"]
    columns = [ids if field.name == "id" else pa.nulls(len(ids), field.type) for field in LEARNT]
    return pa.Table.from_arrays(columns, schema=LEARNT)


def list_known(file: Path, clean_manifest: Path, clean: CleanParams) -> Set[str]:
    """The ids of the pictures that a model knows, by the file beside its test answers; as `recognise`."""
    return recognise(read_learnt(file), clean_manifest, clean).keys()


def recognise(learnt: pa.Table, clean_manifest: Path, clean: CleanParams) -> dict[str, str | None]:
    """The part (train or val) that a model had each picture in, by id; None where it did not say.

    Args:
        learnt: as LEARNT.
        clean_manifest: of the collection as it is now, whose near-duplicates of gone pictures are added; if
            it does not exist, none are.
        clean: says how near is near.
    """
    part = dict(zip(learnt["id"].to_pylist(), learnt["part"].to_pylist(), strict=True))
    if not clean_manifest.is_file():
        return part
    now = read_table(clean_manifest, CLEAN_MANIFEST).select(_PRINTS)
    is_gone = pc.invert(pc.is_in(learnt["id"], value_set=now["id"].combine_chunks()))
    gone = learnt.filter(pc.and_(is_gone, pc.is_valid(learnt["pdq"])))
    if not len(gone):
        return part
    both = pa.concat_tables([now, gone.select(_PRINTS)])
    prints = np.frombuffer(b"".join(both["pdq"].to_pylist()), np.uint8).reshape(len(both), -1)
    links = link_near(
        prints,
        both["pdq_quality"].to_numpy() >= max(clean.near_duplicate_min_quality, 1),
        lambda start, stop: prints[start:stop, None],
        max_distance=clean.near_duplicate_distance,
    )
    group = find_components(len(both), links.a, links.b).tolist()
    known: dict[int, str | None] = {}
    for number, its_part in zip(group[len(now) :], gone["part"].to_pylist(), strict=True):
        known[number] = TRAIN if TRAIN in (its_part, known.get(number)) else its_part
    for id_, number in zip(now["id"].to_pylist(), group, strict=False):
        if number in known and part.get(id_) != TRAIN:
            part[id_] = known[number]
    return part
