"""What the training pictures were like, as evaluate writes it down for `darkroom predict`."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.pictures import Pictures, read_part
from pipeline.evidence import training_facts
from pipeline.evidence.examination import examine
from pipeline.evidence.training_facts import gather_facts
from pipeline.paths import Paths
from pipeline.serving.answer_rule import AnswerRule
from pipeline.serving.classifier import Classifier
from pipeline.serving.training_facts import OF_PICTURE, TrainingFacts
from tests.conftest import Develop


@pytest.fixture
def developed(tmp_path: Path, develop: Develop) -> Paths:
    shades = np.arange(40, dtype=np.uint8) * 6
    pictures = np.tile(shades[:, None, None, None], (1, 8, 8, 1))
    splits = ["train"] * 30 + ["test"] * 10
    return develop(tmp_path / "project", pictures, [0, 1] * 20, splits, ["light", "dark"])


def test_the_training_pictures_are_measured_and_review_is_counted(
    developed: Paths, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = (
        read_part(name, split_path=developed.split, manifest_path=developed.clean_manifest)
        for name in ("train", "test")
    )
    rule = AnswerRule(min_probability=0.9)
    examined = examine(Classifier.load(classifier_folder).with_rule(rule), test, developed.shards)

    def gather() -> TrainingFacts:
        return gather_facts(examined, train, shards=developed.shards, raw_manifest=developed.raw_manifest)

    facts = gather()
    assert set(facts.measures) == set(OF_PICTURE)  # no fact of the files is known
    assert (facts.n_pictures, facts.n_test) == (30, 10)
    assert facts.review == pytest.approx(float((examined.y_prob.max(axis=1) < 0.9).mean()))
    brightness = facts.measures["brightness"]
    assert sum(brightness.counts) == 30
    assert brightness.middle == pytest.approx(14.5 * 6 / 255, abs=0.01)
    names = [examined.classifier.class_names[y] for y in train.y]
    for name, counts in brightness.by_class.items():
        shown = Pictures((developed.shards, train)).gather(np.flatnonzero(np.array(names) == name))
        bins = [brightness.find_bin(one.mean() / 255) for one in shown]
        assert counts == tuple(np.bincount(bins, minlength=len(counts)))
    assert set(brightness.by_class) == {"light", "dark"}
    assert facts.is_dark is True
    monkeypatch.setattr(training_facts, "_MAX_PICTURES", 12)
    assert sum(gather().measures["brightness"].counts) == 12
