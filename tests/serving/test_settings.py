"""settings: what a classifier folder says of itself, there and back."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipeline
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


SAVE = """
import sys
from pathlib import Path
import keras
from pipeline.models import build_model
from pipeline.models.knobs import Knobs
from pipeline.serving.settings import Settings, save_classifier
from pipeline.images.recipe import Recipe
keras.utils.set_random_seed(0)
knobs = Knobs(None, None, None, 0.2, 0.0)
how = {"image_hw": (16, 16), "channels": 3, "n_classes": 2, "head": "softmax", "knobs": knobs}
recipe = Recipe((16, 16), 3, "pad", "bicubic", equalise=0, formats=("JPEG",), max_pixels=1000)
for name in sys.argv[1:]:
    save_classifier(build_model(name, **how, weights=None), Settings(("a", "b"), recipe, False), Path(name))
"""


def test_equal_weights_are_equal_bytes_in_any_process_at_any_time(tmp_path: Path) -> None:
    """Keras writes the date into the archive, zip one beside each file, and objects have other addresses."""
    from pipeline.serving.classifier import Classifier

    models = ("compact", "conv4", "conv_gru")
    found = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = os.environ | {"PYTHONPATH": str(Path(pipeline.__file__).parents[1])}
        subprocess.run([sys.executable, "-c", SAVE, *models], cwd=folder, env=environment, check=True)
        found.append({name: (folder / name / "model.keras").read_bytes() for name in models})
    assert [name for name in models if found[0][name] != found[1][name]] == []
    assert [Classifier.load(tmp_path / "0" / name).class_names for name in models] == [("a", "b")] * 3


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
