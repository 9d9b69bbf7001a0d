"""variants: imperfect copies, and the answer without its mirror image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.collection.shards import ShardWriter
from pipeline.errors import DataError
from pipeline.evidence.variants import score_variants
from pipeline.serving.classifier import Classifier
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import write_table
from tests.evidence.conftest import ExaminationOf

LIGHT, DARK = 230, 20


def write_copies(folder: Path, shades: list[int], y: list[int]) -> Path:
    """Imperfect copies of the first pictures, of these shades and classes."""
    rows = [
        {"id": f"id-{i:03d}", "copy": -1, "class_index": c, "shard": 0, "row": i} for i, c in enumerate(y)
    ]
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), folder / "manifest.parquet")
    with ShardWriter(folder, len(y), (8, 8, 1), 100) as writer:
        for row, shade in enumerate(shades):
            writer.write(0, row, np.full((8, 8, 1), shade, np.uint8))
    return folder


def test_copies_count_beside_their_originals(examination_of: ExaminationOf, tmp_path: Path) -> None:
    examined = examination_of([LIGHT, DARK, LIGHT, DARK], [0, 1, 0, 1])
    copies = write_copies(tmp_path / "copies", [LIGHT, LIGHT, DARK, LIGHT], [0, 1, 0, 1])
    found = score_variants(examined, copies, confidence=0.95).metrics
    assert found["imperfect_accuracy"] == 0.25
    assert found["mixed_accuracy"] == (1 + 0.25) / 2
    assert found["overall/imperfect_accuracy_low"] < 0.25 < found["overall/imperfect_accuracy_high"]
    assert "unmirrored_accuracy" not in found


def test_copies_of_other_pictures(examination_of: ExaminationOf, tmp_path: Path) -> None:
    examined = examination_of([LIGHT, DARK], [0, 1])
    with pytest.raises(DataError, match="does not hold a copy of each test picture; run `dvc repro augment`"):
        score_variants(examined, write_copies(tmp_path / "copies", [LIGHT], [0]), confidence=0.95)


def test_without_the_mirror_image(
    examination_of: ExaminationOf, classifier_folder: Path, tmp_path: Path
) -> None:
    examined = examination_of([LIGHT, DARK], [0, 1])
    nothing = write_copies(tmp_path / "copies", [], [])
    assert score_variants(examined, nothing, confidence=0.95).metrics == {}
    plain = Classifier.load(classifier_folder)
    mirrored = Classifier(plain._model, replace(plain.settings, test_mirror=True))
    found = score_variants(replace(examined, classifier=mirrored), nothing, confidence=0.95)
    assert found.metrics["unmirrored_accuracy"] == 1
