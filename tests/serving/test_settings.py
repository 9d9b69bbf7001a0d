"""settings: what a classifier folder says of itself, there and back."""

import json
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.images.recipe import Recipe
from pipeline.serving.settings import Settings, save_classifier

SETTINGS = Settings(
    ("a", "b"),
    Recipe((20, 30), 1, "pad", "bicubic", equalise=75, formats=("JPEG",), max_pixels=1000),
    test_mirror=True,
)


def write_json(settings: Settings) -> dict[str, Any]:
    """Settings as classifier.json holds them."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return values


def test_settings_there_and_back() -> None:
    assert Settings.from_json(write_json(SETTINGS)) == SETTINGS


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_a_key_that_is_missing_is_refused(name: str) -> None:
    values = write_json(SETTINGS)
    del values[name]
    with pytest.raises(ValueError, match="its keys are "):
        Settings.from_json(values)


@pytest.mark.parametrize("name", [field.name for field in fields(Recipe)])
def test_a_key_that_the_recipe_lacks_is_refused(name: str) -> None:
    values = write_json(SETTINGS)
    del values["recipe"][name]
    with pytest.raises((TypeError, ValueError), match=name):
        Settings.from_json(values)


def test_a_key_too_many_is_refused() -> None:
    values = write_json(SETTINGS)
    with pytest.raises(ValueError, match="its keys are class_names, fit, recipe, test_mirror"):
        Settings.from_json(values | {"fit": "pad"})
    with pytest.raises(TypeError, match="colour"):
        Settings.from_json(values | {"recipe": values["recipe"] | {"colour": "red"}})


def test_equal_weights_are_equal_bytes_whenever_they_are_saved(tmp_path: Path) -> None:
    """Keras writes the date into the archive, and zip one beside each of its files."""
    import keras

    from pipeline.serving.classifier import Classifier

    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((20, 30, 1)), *layers, keras.layers.Softmax()])
    for name in ("first", "second"):
        save_classifier(model, SETTINGS, tmp_path / name)
        time.sleep(2.1)  # a zip counts in steps of two seconds
    first, second = ((tmp_path / name / "model.keras").read_bytes() for name in ("first", "second"))
    assert first == second
    pictures = np.zeros((1, 20, 30, 1), np.uint8)
    answers = Classifier.load(tmp_path / "first").predict_pictures(pictures)
    assert np.allclose(answers, model.predict(pictures, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"class_names": "ab"}, id="a word for a list"),
        pytest.param({"class_names": [1, 2]}, id="numbers for names"),
        pytest.param({"test_mirror": "yes"}, id="a word for a truth"),
    ],
)
def test_a_value_of_another_type_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(change))):
        Settings.from_json(write_json(SETTINGS) | change)


def test_a_classifier_is_two_files_and_can_be_saved_again(tmp_path: Path) -> None:
    import keras

    folder = tmp_path / "deep" / "classifier"
    model = keras.Sequential([keras.Input((20, 30, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    for settings in (SETTINGS, Settings(("é", "b"), SETTINGS.recipe, test_mirror=False)):
        save_classifier(model, settings, folder)
        assert sorted(path.name for path in folder.iterdir()) == ["classifier.json", "model.keras"]
        assert [path.name for path in folder.parent.iterdir()] == ["classifier"]
        text = (folder / "classifier.json").read_text(encoding="utf-8")
        assert Settings.from_json(json.loads(text)) == settings
        assert settings.class_names[0] in text
        loaded = keras.saving.load_model(folder / "model.keras", compile=False)
        pairs = zip(model.get_weights(), loaded.get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
