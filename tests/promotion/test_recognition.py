"""Pictures that a model knows, when their files are other ones now."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.params import CleanParams, Params
from pipeline.promotion.recognition import read_learnt, recognise
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.learnt import LEARNT
from pipeline.tables.parquet import write_table

PRINTS = np.random.default_rng(0).integers(0, 256, (4, 32), dtype=np.uint8)


def flip_bits(print_: Any, n: int) -> bytes:
    """A fingerprint with n bits changed, all over it, as another encoder changes them."""
    bits = np.unpackbits(print_)
    bits[np.arange(n) * (256 // max(n, 1))] ^= 1
    return np.packbits(bits).tobytes()


@pytest.fixture
def clean(params_of: Callable[..., Params]) -> CleanParams:
    return params_of().clean


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three pictures: one as it was, one saved again, one that nobody has seen."""
    kept = [
        {"id": "same", "pdq": PRINTS[0].tobytes(), "pdq_quality": 90},
        {"id": "again", "pdq": flip_bits(PRINTS[1], 10), "pdq_quality": 90},
        {"id": "other", "pdq": PRINTS[2].tobytes(), "pdq_quality": 90},
        {"id": "plain", "pdq": PRINTS[3].tobytes(), "pdq_quality": 0},
    ]
    file = tmp_path / "manifest.parquet"
    write_table(pa.Table.from_pylist(kept, schema=CLEAN_MANIFEST), file)
    return file


def list_learnt(*rows: tuple[str, str, bytes, int]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(LEARNT.names, row, strict=True)) for row in rows], schema=LEARNT)


@pytest.mark.parametrize(("n_bits", "is_known"), [(0, True), (20, True), (60, False)])
def test_a_picture_is_known_when_its_file_has_changed(
    n_bits: int, is_known: bool, manifest: Path, clean: CleanParams
) -> None:
    before = flip_bits(np.frombuffer(flip_bits(PRINTS[1], 10), np.uint8), n_bits)
    learnt = list_learnt(
        ("same", "val", PRINTS[0].tobytes(), 90),
        ("gone", "train", before, 90),
        ("plain before", "train", PRINTS[3].tobytes(), 0),
    )
    known = recognise(learnt, manifest, clean)
    expected = {"same": "val", "gone": "train", "plain before": "train"}
    assert known == expected | ({"again": "train"} if is_known else {})


def test_what_trained_counts_before_what_chose(manifest: Path, clean: CleanParams) -> None:
    """In either order, and where the picture itself only chose the weights."""
    both = [("gone", "val", PRINTS[0].tobytes(), 90), ("lost", "train", PRINTS[0].tobytes(), 90)]
    for rows in (both, both[::-1]):
        assert recognise(list_learnt(*rows), manifest, clean)["same"] == "train"
    mine = ("same", "val", PRINTS[0].tobytes(), 90)
    assert recognise(list_learnt(mine, both[1]), manifest, clean)["same"] == "train"
    assert recognise(list_learnt(mine, both[0]), manifest, clean)["same"] == "val"


def test_without_a_collection_ids_are_what_there_is(tmp_path: Path, clean: CleanParams) -> None:
    learnt = list_learnt(("a", "train", PRINTS[0].tobytes(), 90))
    assert recognise(learnt, tmp_path / "manifest.parquet", clean) == {"a": "train"}


def test_what_an_older_darkroom_wrote(tmp_path: Path, manifest: Path, clean: CleanParams) -> None:
    """Ids alone: then pictures are known by these."""
    write_table(pa.table({"id": ["same", "gone"]}), tmp_path / "learnt.parquet")
    learnt = read_learnt(tmp_path / "learnt.parquet")
    assert learnt.schema == LEARNT
    assert recognise(learnt, manifest, clean) == {"same": None, "gone": None}
