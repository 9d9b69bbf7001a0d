"""Findings: files with a planted history are told apart; a common history takes that away from pictures."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.collection.result_store import ResultStore
from pipeline.collection.shards import Shards, ShardWriter
from pipeline.images.inspection import Inspection, inspect
from pipeline.images.measures import measure_residues
from pipeline.images.picture import develop
from pipeline.images.recipe import Recipe
from pipeline.shortcuts import findings
from pipeline.shortcuts.audit import OF_FILES, OF_PICTURES, audit_facts
from pipeline.shortcuts.findings import Findings, audit_collection, measure_pictures
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import build_table
from pipeline.tables.raw_manifest import RAW_MANIFEST

N = 160
FORMATS, MAX_PIXELS = ("JPEG", "PNG", "WEBP", "GIF"), 10**8
SIDE = 32


def look_at(data: bytes, name: str) -> Inspection:
    limits: dict[str, Any] = {"max_pixels": MAX_PIXELS, "min_side_px": 4, "min_local_contrast": 0}
    return inspect(data, name, formats=FORMATS, **limits)


def draw_scene(number: int) -> Image.Image:
    """A picture that is like all others: smooth noise, of no class."""
    coarse = np.random.default_rng(number).integers(60, 200, (8, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def make_file(number: int, quality: int) -> bytes:
    stream = io.BytesIO()
    draw_scene(number).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def audit_histories(folder: Path, equalise: int) -> Findings:
    """Pictures of class 0 were compressed hard, those of class 1 hardly: nothing else differs."""
    files = [make_file(i, (10, 95)[i % 2]) for i in range(N)]
    recipe = Recipe((SIDE, SIDE), 3, "stretch", "bicubic", equalise, FORMATS, MAX_PIXELS)
    facts, clean = [], []
    with ShardWriter(folder, N, (SIDE, SIDE, 3), N) as writer:
        for i, data in enumerate(files):
            found = look_at(data, "x.jpg")
            row = {"id": found.id, **found.facts, "repairs": found.repairs, "reason": "", "detail": ""}
            facts.append(row | {"key": str(i), "label": "", "source_split": "", "verdict": "kept"})
            common = {
                "id": found.id,
                "key": str(i),
                "label": "",
                "source_split": "",
                "duplicate_group": found.id,
            }
            clean.append(common | {"shard": 0, "row": i, "repairs": [], "pdq": bytes(32), "pdq_quality": 0})
            writer.write(0, i, develop(data, recipe))
    ids = [row["id"] for row in clean]
    placed = pd.DataFrame({"id": ids, "class_index": np.arange(N) % 2, "fold_group": ids})
    tables = {
        "manifest": build_table(facts, RAW_MANIFEST, sort_by="key"),
        "clean": build_table(clean, CLEAN_MANIFEST, sort_by="key"),
    }
    return audit_collection(placed, ["rough", "fine"], shards=folder, **tables)


def test_equalise_takes_a_planted_compression_away(tmp_path: Path) -> None:
    before, after = (audit_histories(tmp_path / str(quality), quality) for quality in (0, 10))
    assert before.files == after.files
    assert before.files.accuracy == 1
    by_fact = {fact.fact: fact for fact in before.files.facts}
    assert by_fact["jpeg_quality"].sentence.endswith("in 100 % of cases, one of another class in 0 %")
    assert before.pictures.accuracy > 0.9
    assert after.pictures.accuracy < before.pictures.accuracy - 0.15
    assert before.to_metrics()["residual_accuracy"] == before.pictures.accuracy
    assert before.apart is None


@pytest.mark.parametrize("channels", [1, 3])
def test_what_pictures_keep_is_a_row_a_picture(channels: int, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 9, 7, channels)).astype(np.uint8)
    with ShardWriter(tmp_path, 5, (9, 7, channels), 5) as writer:
        for i, picture in enumerate(pictures):
            writer.write(0, i, picture)
    rows = pd.DataFrame({"shard": 0, "row": [4, 0]})
    found = measure_pictures(Shards(tmp_path), rows, ResultStore(None))
    assert list(found.columns) == list(OF_PICTURES)
    assert found["brightness"][0] == pytest.approx(measure_residues(pictures[4])["brightness"])


def test_a_known_picture_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 9, 7, 3)).astype(np.uint8)
    with ShardWriter(tmp_path / "shards", 5, (9, 7, 3), 5) as writer:
        for i, picture in enumerate(pictures):
            writer.write(0, i, picture)
    shards = Shards(tmp_path / "shards")
    measured: list[int] = []

    def measure(picture: NDArray[np.uint8]) -> dict[str, float]:
        measured.append(next(i for i, one in enumerate(pictures) if (one == picture).all()))
        return measure_residues(picture)

    monkeypatch.setattr(findings, "measure_residues", measure)
    anew = measure_pictures(shards, pd.DataFrame({"shard": 0, "row": [0, 1, 4]}), ResultStore(None))
    for expected in ([0, 1, 4], [2], []):
        measured.clear()
        rows = [0, 1, 2, 4] if expected != [0, 1, 4] else [0, 1, 4]
        with ResultStore(tmp_path / "results") as store:
            found = measure_pictures(shards, pd.DataFrame({"shard": 0, "row": rows}), store)
        assert measured == expected
    assert found[found.index != 2].reset_index(drop=True).equals(anew)


@pytest.mark.slow
def test_what_facts_say_about_a_real_collection(repo: Path) -> None:
    """Five kinds of scans from 25 sources: two of them, of 587 pictures, have the same header to the bit."""
    archive = repo.parent / "shared" / "data" / "toum.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} is not there")
    rows = []
    with zipfile.ZipFile(archive) as files:
        for name in sorted(name for name in files.namelist() if not name.endswith("/")):
            found = look_at(files.read(name), name)
            rows.append({"id": found.id, **found.facts, "label": name.split("/")[-2]})
    table = pd.DataFrame(rows)
    y, names = pd.factorize(table["label"], sort=True)
    facts = table.assign(aspect=table["width"] / table["height"])[list(OF_FILES)]
    audit = audit_facts(facts, y, table["id"].tolist(), list(names))
    assert audit.chance == pytest.approx(0.2, abs=0.01)
    assert audit.accuracy == pytest.approx(0.895, abs=0.02)
    assert audit.is_above(0.8)
    sentences = {fact.fact: fact.sentence for fact in audit.facts}
    assert sentences["format"] == "a picture of Sketch is PNG in 100 % of cases, one of another class in 18 %"


def test_the_facts_of_files_are_columns_of_the_manifest() -> None:
    assert set(OF_FILES) - set(RAW_MANIFEST.names) == {"aspect"}
