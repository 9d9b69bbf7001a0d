"""unseen: the answers of train's folds, or of the classifier to validation pictures where it made none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.pictures import Part, read_part
from pipeline.errors import DataError
from pipeline.evidence.answers import build_answers
from pipeline.evidence.unseen import Unseen, read_label_answers, read_unseen
from pipeline.serving.classifier import Classifier
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import write_table
from tests.evidence.conftest import Develop

LIGHT, DARK = 230, 20
NAMES = ("light", "dark", "odd")


def make_unseen(n: int = 200, n_wrong: int = 20, *, sources: bool = True) -> Unseen:
    """Answers of falling probability, from 0.99 down to 0.5; the last ones are wrong."""
    confidence = np.linspace(0.99, 0.5, n, dtype=np.float32)
    y_prob = np.stack([confidence, 1 - confidence, 0 * confidence], axis=1)
    y_true = np.zeros(n, np.int64)
    y_true[n - n_wrong :] = 1
    groups = np.array([f"{'group_by:' if sources else ''}{i % 10}" for i in range(n)], dtype=str)
    nowhere = np.zeros(n, np.int64)
    part = Part(tuple(map(str, range(n))), nowhere, nowhere, y_true)
    return Unseen(part, y_prob, groups, np.arange(n) % 5, "out_of_fold")


@pytest.fixture
def collection(develop: Develop, tmp_path: Path) -> tuple[Path, Part]:
    """Shards and the pictures of val: light, dark, light."""
    pictures = np.array([LIGHT, DARK, LIGHT], np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
    paths = develop(tmp_path, pictures, [0, 1, 1], ["val"] * 3, list(NAMES))
    return paths.shards, read_part("val", split_path=paths.split, manifest_path=paths.clean_manifest)


def test_without_answers_out_of_fold_validation_pictures_are_asked(
    collection: tuple[Path, Part], classifier_folder: Path, tmp_path: Path
) -> None:
    shards, val = collection
    write_table(OUT_OF_FOLD.empty_table(), tmp_path / "oof.parquet")
    found = read_unseen(tmp_path / "oof.parquet", val, val, Classifier.load(classifier_folder), shards)
    assert found.chosen_on == "val"
    assert found.y_prob.argmax(axis=1).tolist() == [0, 1, 0]
    assert not found.has_sources


def test_answers_out_of_fold_must_be_of_the_pictures_of_the_split(
    collection: tuple[Path, Part], classifier_folder: Path, tmp_path: Path
) -> None:
    shards, val = collection
    y_prob = np.array([[0.8, 0.2, 0], [0.4, 0.6, 0], [0.1, 0.9, 0]], np.float32)
    table = build_answers(val.ids, ["a", "b", "c"], val.y, y_prob, NAMES)
    for name, values in (("seed", np.zeros(3, np.int64)), ("fold", np.array([0, 1, 2], np.int32))):
        table = table.append_column(OUT_OF_FOLD.field(name), [values])
    write_table(table, tmp_path / "oof.parquet")
    classifier = Classifier.load(classifier_folder)
    found = read_unseen(tmp_path / "oof.parquet", val, val, classifier, shards)
    assert found.y_prob == pytest.approx(y_prob)
    assert found.fold.tolist() == [0, 1, 2]
    known = read_label_answers(tmp_path / "oof.parquet", replace(val, duplicate_group=("p", "p", "q")), found)
    assert known.groups.tolist() == ["p", "p", "q"]
    write_table(OUT_OF_FOLD.empty_table(), tmp_path / "none.parquet")
    assert read_label_answers(tmp_path / "none.parquet", val, found) is found
    other = replace(val, ids=("x", *val.ids[1:]))
    with pytest.raises(DataError, match=r"answers other pictures than split\.parquet; run `dvc repro train`"):
        read_unseen(tmp_path / "oof.parquet", other, val, classifier, shards)
