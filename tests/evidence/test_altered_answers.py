"""Answers to altered pictures: of a sample that does not change, in numbers that the network allows."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evidence import altered_answers
from pipeline.evidence.altered_answers import answer_altered, suggest_n
from pipeline.serving.classifier import Classifier
from tests.evidence.conftest import ExaminationOf

LIGHT, DARK = 230, 20


def test_the_same_pictures_whatever_is_asked_beside(examination_of: ExaminationOf) -> None:
    examined = examination_of([LIGHT, DARK] * 20, [0, 1] * 20)
    small, large = (answer_altered(examined, n) for n in (10, 30))
    assert set(small.at) < set(large.at)
    where = np.searchsorted(large.at, small.at)
    for one, given in small.y_pred.items():
        assert np.array_equal(given, large.y_pred[one][where])


def test_more_than_fit_into_memory_at_once(
    examination_of: ExaminationOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined = examination_of([LIGHT, DARK] * 20, [0, 1] * 20)
    whole = answer_altered(examined, 40)
    monkeypatch.setattr(altered_answers, "_CHUNK", 7)
    parts = answer_altered(examined, 40)
    assert all(np.array_equal(given, whole.y_pred[one]) for one, given in parts.y_pred.items())


def test_severity_0_is_the_answer_itself(examination_of: ExaminationOf) -> None:
    examined = examination_of([LIGHT, DARK, DARK], [0, 1, 0])
    answers = answer_altered(examined, 3)
    assert answers.find_right("blur", 0).tolist() == [True, True, False]
    assert answers.find_right("rotation", 5).tolist() == [True, True, False]


def test_the_least_severity_counts(examination_of: ExaminationOf) -> None:
    """Brightness of 10 % makes a picture of 110 light."""
    answers = answer_altered(examination_of([LIGHT, 110], [0, 1]), 2)
    assert answers.find_right("brightness", 0).tolist() == [True, True]
    assert answers.find_right("brightness", 1).tolist() == [True, False]


def test_a_large_network_is_asked_about_fewer(examination_of: ExaminationOf) -> None:
    import keras

    examined = examination_of([LIGHT], [0])
    picture = examined.pictures.gather(np.array([0]))[0]
    assert suggest_n(examined.classifier, picture) == 512
    settings = examined.classifier.settings

    def build(n_filters: int) -> Classifier:
        layers = [keras.layers.Conv2D(n_filters, 8, padding="same"), keras.layers.GlobalAveragePooling2D()]
        model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(3)])
        return Classifier(model, settings)

    # 8 x 8 places of 8 x 8 weights and n filters, and the dense layer: 350e9 / 50 / (4099 n)
    assert suggest_n(build(10_000), picture) == 350_000_000_000 // (50 * (4096 * 10_000 + 30_000))
    mirrored = Classifier(build(10_000).network, replace(settings, test_mirror=True))
    assert suggest_n(mirrored, picture) == 350_000_000_000 // (100 * (4096 * 10_000 + 30_000))
    assert suggest_n(build(200_000), picture) == 64
