"""classifier: one code path from bytes to probabilities, and what a damaged folder says."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.images.recipe import Recipe
from pipeline.serving.classifier import Classifier
from pipeline.serving.settings import Settings


@pytest.fixture(scope="module")
def classifier(classifier_folder: Path) -> Classifier:
    return Classifier.load(classifier_folder)


@pytest.fixture
def copy(classifier_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))


def test_predicts(classifier: Classifier) -> None:
    y_prob = classifier.predict_pictures(
        np.stack([np.full((8, 8, 1), shade, np.uint8) for shade in (250, 5)])
    )
    assert classifier.class_names == ("light", "dark", "odd")
    assert y_prob.dtype == np.float32
    assert y_prob.argmax(axis=1).tolist() == [0, 1]
    assert y_prob.sum(axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 65])
def test_company_does_not_matter(classifier: Classifier, n: int) -> None:
    """A picture's probabilities are the same, to the bit, alone and among others."""
    pictures = np.random.default_rng(0).integers(0, 256, (65, 8, 8, 1)).astype(np.uint8)
    together = classifier.predict_pictures(pictures[:n])
    assert together.shape == (n, 3)
    alone = [classifier.predict_pictures(pictures[i : i + 1])[0] for i in range(n)]
    assert np.array_equal(together, np.array(alone).reshape(n, 3))


def build_lopsided(test_mirror: bool) -> Classifier:
    """It says how light the upper left quarter of an 8x8 picture is, and how dark."""
    import keras

    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    )
    model.add(keras.layers.Dense(2, activation="softmax"))
    where = np.zeros((8, 8))
    where[:4, :4] = 0.5
    model.layers[-1].set_weights([np.stack([where, -where], axis=-1).reshape(64, 2), np.array([-4.0, 4.0])])
    recipe = Recipe((8, 8), 1, "pad", "bicubic", equalise=0, formats=("PNG",), max_pixels=1000)
    settings = Settings(("light", "dark"), recipe, test_mirror=test_mirror)
    return Classifier(model, settings)


def test_mirror_image_counts_half() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    plain, mirrored = build_lopsided(False), build_lopsided(True)
    seen, mirror_image = (plain.predict_pictures(x) for x in (pictures, pictures[:, :, ::-1]))
    assert not np.allclose(seen, mirror_image, atol=0.01)
    y_prob = mirrored.predict_pictures(pictures)
    assert y_prob.dtype == np.float32
    assert np.array_equal(y_prob, (seen + mirror_image) / 2)
    assert np.array_equal(y_prob, mirrored.predict_pictures(pictures[:, :, ::-1]))
    assert np.array_equal(y_prob[7:8], mirrored.predict_pictures(pictures[7:8]))  # company does not matter
    assert np.array_equal(mirrored.without_mirror().predict_pictures(pictures), seen)
    assert mirrored.settings.test_mirror


def drop_model(folder: Path) -> None:
    (folder / "model.keras").unlink()


def cut_model(folder: Path) -> None:
    data = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(data[: len(data) // 2])


def garble_model(folder: Path) -> None:
    (folder / "model.keras").write_bytes(b"nothing of the kind")


def flip_bits(folder: Path) -> None:
    data = bytearray((folder / "model.keras").read_bytes())
    middle = len(data) // 3
    data[middle : middle + 64] = bytes(255 - value for value in data[middle : middle + 64])
    (folder / "model.keras").write_bytes(data)


def cut_settings(folder: Path) -> None:
    (folder / "classifier.json").write_text('{"class_names": [')


def forget_a_key(folder: Path) -> None:
    (folder / "classifier.json").write_text('{"channels": 1}')


def forget_the_mirror(folder: Path) -> None:
    values = json.loads((folder / "classifier.json").read_text())
    del values["test_mirror"]
    (folder / "classifier.json").write_text(json.dumps(values))


def add_a_class(folder: Path) -> None:
    values = json.loads((folder / "classifier.json").read_text())
    (folder / "classifier.json").write_text(json.dumps(values | {"class_names": ["a", "b", "c", "d"]}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(shutil.rmtree, "is not a classifier", id="no folder"),
        pytest.param(drop_model, "is not a classifier", id="no model"),
        pytest.param(cut_model, "is damaged", id="half a model"),
        pytest.param(flip_bits, "is damaged", id="a model with other bits"),
        pytest.param(garble_model, "is damaged", id="another file"),
        pytest.param(cut_settings, "is damaged", id="half the settings"),
        pytest.param(forget_a_key, "is damaged: its keys are channels", id="settings without their keys"),
        pytest.param(forget_the_mirror, "is damaged: its keys are", id="settings of before test_mirror"),
        pytest.param(add_a_class, r"classifier\.json wants", id="files of two classifiers"),
    ],
)
def test_damaged(damage: Callable[[Path], None], message: str, copy: Path) -> None:
    damage(copy)
    with pytest.raises(ModelError, match=message) as error:
        Classifier.load(copy)
    assert "\n" not in str(error.value)
    assert re.search("`dvc (repro|checkout)`", str(error.value))
