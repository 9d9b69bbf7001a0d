"""The files behind test pictures: as validate saw them, or a clear sentence."""

import pytest

from pipeline.errors import PromotionError, SourceError
from pipeline.promotion.originals import read_originals
from pipeline.promotion.state import State
from pipeline.tables.parquet import read_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tables.raw_manifest import RAW_MANIFEST
from tests.promotion.test_artefact import change


def list_ids(state: State) -> list[str]:
    ids: list[str] = read_table(state.paths.predictions, PREDICTIONS)["id"].to_pylist()
    return ids


def test_each_picture_comes_with_its_bytes(old_state: State) -> None:
    ids = list_ids(old_state)[:5]
    found = dict(read_originals(old_state, ids))
    assert sorted(found) == sorted(ids)
    assert all(data.startswith(b"\x89PNG") for data in found.values())


def test_what_validate_refused_is_left_out(old_state: State) -> None:
    """People may bring such a picture back; the registered model refuses it."""
    ids = list_ids(old_state)
    change(
        old_state.paths.raw_manifest,
        RAW_MANIFEST,
        verdict=lambda verdicts: ["quarantined", *verdicts[1:]],
    )
    refused = read_table(old_state.paths.raw_manifest, RAW_MANIFEST)["id"].to_pylist()[0]
    assert sorted(dict(read_originals(old_state, ids))) == sorted({*ids} - {refused})


def test_a_file_that_changed_is_named(old_state: State) -> None:
    for file in old_state.paths.raw.rglob("*.png"):
        file.write_bytes(file.read_bytes() + b"0")
    with pytest.raises(PromotionError, match=r"\.png is not in the source as validate saw it"):
        list(read_originals(old_state, list_ids(old_state)))


def test_a_file_that_is_gone_is_named(old_state: State) -> None:
    gone = min(old_state.paths.raw.rglob("*.png"))
    gone.unlink()
    with pytest.raises(PromotionError, match=f"{gone.parent.name}/{gone.name} is not in the source"):
        list(read_originals(old_state, list_ids(old_state)))


def test_a_source_that_is_gone_is_one_line(old_state: State) -> None:
    old_state.paths.raw.rename(old_state.paths.raw.with_name("elsewhere"))
    with pytest.raises(SourceError, match="does not exist"):
        list(read_originals(old_state, list_ids(old_state)))
