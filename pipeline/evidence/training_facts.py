"""What the training pictures were like: facts that `darkroom predict` compares with those of new files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collection.pictures import Part, Pictures
from pipeline.evidence.examination import Examination
from pipeline.images.measures import measure_residues
from pipeline.progress import log_time
from pipeline.serving.training_facts import OF_FILE, OF_PICTURE, TrainingFacts, summarise_facts
from pipeline.tables.parquet import read_table
from pipeline.tables.raw_manifest import RAW_MANIFEST

_MAX_PICTURES = 5_000
_MAX_PIXELS = 50_000_000  # about 4 s
_AT_ONCE = 256


@log_time("facts of the training pictures")
def gather_facts(examined: Examination, train: Part, *, shards: Path, raw_manifest: Path) -> TrainingFacts:
    """The facts of the training pictures' files, and the measures of the pictures as the network sees them.

    Each is counted by class as well.

    Of very many pictures the first by id are measured, which is a draw: ids are hashes.
    """
    answered = examined.classifier.rule.is_answered(examined.y_prob)
    review, n_test = float(1 - answered.mean()), len(answered)
    pictures = Pictures((shards, train))
    height, width, _ = pictures.picture_shape
    n = min(len(train), _MAX_PICTURES, max(_MAX_PIXELS // (height * width), 1))
    found = [
        measure_residues(picture)
        for start in range(0, n, _AT_ONCE)
        for picture in pictures.gather(np.arange(start, min(start + _AT_ONCE, n)))
    ]
    names = examined.classifier.class_names
    of_picture = {name: [one[name] for one in found] for name in OF_PICTURE}
    of_file, classes = _read_file_facts(train, raw_manifest)
    measures = summarise_facts(of_file, [names[y] for y in classes])
    measures |= summarise_facts(of_picture, [names[y] for y in train.y[:n]])
    return TrainingFacts(measures, len(train), review, n_test)


def _read_file_facts(train: Part, raw_manifest: Path) -> tuple[dict[str, list[object]], list[int]]:
    """The facts of the training pictures' files, and the index of the class of each."""
    table = read_table(raw_manifest, RAW_MANIFEST)
    table = table.filter(pc.is_in(table["id"], value_set=pa.array(train.ids, pa.string())))
    class_of = dict(zip(train.ids, train.y.tolist(), strict=True))
    columns: dict[str, list[object]] = {
        name: table[name].to_pylist() for name in OF_FILE if name in table.column_names
    }
    sides = zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True)
    columns["aspect"] = [w / h if w and h else None for w, h in sides]
    return columns, [class_of[one] for one in table["id"].to_pylist()]
