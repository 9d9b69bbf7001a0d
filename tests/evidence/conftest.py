"""Examinations of a real classifier, which tells light from dark."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.pictures import read_part
from pipeline.evidence.examination import Examination, examine
from pipeline.paths import Paths
from pipeline.serving.classifier import Classifier

Develop = Callable[..., Paths]
ExaminationOf = Callable[..., Examination]


@pytest.fixture
def examination_of(develop: Develop, classifier_folder: Path, tmp_path: Path) -> ExaminationOf:
    """`examination_of(shades, y)`: grey 8x8 pictures of light (0), dark (1) and odd (2)."""

    def make(shades: Sequence[int], y: Sequence[int]) -> Examination:
        pictures = np.array(shades, np.uint8)[:, None, None, None].repeat(8, axis=1).repeat(8, axis=2)
        paths = develop(tmp_path, pictures, y, ["test"] * len(y), ["light", "dark", "odd"])
        test = read_part("test", split_path=paths.split, manifest_path=paths.clean_manifest)
        return examine(Classifier.load(classifier_folder), test, paths.shards)

    return make
