"""The files behind pictures of a state, as the source holds them: what a registered model is asked."""

import hashlib
from collections.abc import Collection, Iterator, Mapping

import pyarrow.compute as pc

from pipeline.errors import PromotionError
from pipeline.promotion.state import State
from pipeline.sources import open_collection
from pipeline.tables.parquet import read_table
from pipeline.tables.raw_manifest import RAW_MANIFEST


def read_originals(state: State, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The bytes of pictures with their ids, one at a time; those back from quarantine are left out.

    A registered model refuses what validate would refuse.

    Raises:
        SourceError: the source is not there, or damaged.
        PromotionError: a file is gone, or another than validate saw.
    """
    id_of = _find_keys(state, set(ids))
    source = open_collection(state.root, state.params.data)
    for record in source.pick_records(id_of):
        id_ = id_of.pop(record.key)
        if hashlib.sha256(record.data).hexdigest() != id_:
            raise PromotionError(_explain_change(record.key))
        yield id_, record.data
    if id_of:
        raise PromotionError(_explain_change(min(id_of)))


def _find_keys(state: State, ids: set[str]) -> dict[str, str]:
    """The first key of each picture that validate let through, with its id."""
    table = read_table(state.paths.raw_manifest, RAW_MANIFEST).select(["id", "key", "verdict"])
    table = table.filter(pc.not_equal(table["verdict"], "quarantined"))
    pairs = sorted(zip(table["key"].to_pylist(), table["id"].to_pylist(), strict=True), reverse=True)
    key_of: Mapping[str, str] = {id_: key for key, id_ in pairs if id_ in ids}
    return {key: id_ for id_, key in key_of.items()}


def _explain_change(key: str) -> str:
    return (
        f"{key} is not in the source as validate saw it, and a registered model is asked about it; "
        "run `dvc repro`"
    )
