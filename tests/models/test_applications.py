"""applications: any of Keras' networks, each shown its pictures as its own preprocess_input would."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.models import check_network
from pipeline.models.applications import PREFIX, Scaling, build_backbone, find, find_scaling, list_names

N_NETWORKS = 40
CHEAP = ["MobileNetV2", "MobileNetV3Small"]


def test_every_network_is_found_and_scaled_as_its_family_asks() -> None:
    """preprocess_input of its own module, on every grey level of every channel."""
    assert len(list_names()) >= N_NETWORKS
    levels = np.arange(256 * 3).reshape(1, 256, 1, 3).astype(np.float32) % 256
    for name in list_names():
        build, module = find(f"{PREFIX}{name}")
        assert build.__name__ == name
        scaling = find_scaling(module)
        ours = levels[..., ::-1] if scaling.is_reversed else levels
        ours = ours * np.array(scaling.scale) + np.array(scaling.offset)
        assert ours == pytest.approx(np.asarray(module.preprocess_input(levels.copy())), abs=1e-4), name


@pytest.mark.parametrize(
    ("name", "scaling"),
    [
        pytest.param("EfficientNetB0", Scaling(False, (1, 1, 1), (0, 0, 0)), id="as they are"),
        pytest.param("MobileNetV2", Scaling(False, (2 / 255,) * 3, (-1, -1, -1)), id="-1 to 1"),
        pytest.param("VGG16", Scaling(True, (1, 1, 1), (-103.939, -116.779, -123.68)), id="blue first"),
    ],
)
def test_scaling(name: str, scaling: Scaling) -> None:
    found = find_scaling(find(name)[1])
    assert found.is_reversed == scaling.is_reversed
    assert found.scale == pytest.approx(scaling.scale, abs=1e-4)
    assert found.offset == pytest.approx(scaling.offset, abs=1e-4)


def test_what_goes_in_is_preprocessed() -> None:
    """VGG16's first layer, which turns channels round, sees what preprocess_input makes."""
    import keras

    model = build_backbone(f"{PREFIX}VGG16", image_hw=(32, 32), channels=3, weights=None)
    scaled = keras.Model(model.input, next(x for x in model.layers if x.name.startswith("rescaling")).output)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    expected = keras.applications.vgg16.preprocess_input(pictures.astype(np.float32))
    assert np.asarray(scaled(pictures)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CHEAP)
def test_saved_and_loaded(name: str, channels: int, tmp_path: Path) -> None:
    """Compared without graphs: making one takes longer than all the rest."""
    import keras

    model = build_backbone(f"{PREFIX}{name}", image_hw=(32, 40), channels=channels, weights=None)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 40, channels)).astype(np.uint8)
    features: Any = np.asarray(model(pictures))
    assert (model.name, features.dtype, features.ndim) == ("backbone", np.float32, 2)
    assert model.predict_on_batch(pictures) == pytest.approx(features, abs=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(features, np.asarray(loaded(pictures)))
    model.save_weights(tmp_path / "own.weights.h5")
    for own in ("own.weights.h5", "model.keras"):
        path = str(tmp_path / own)
        again = build_backbone(f"{PREFIX}{name}", image_hw=(32, 40), channels=channels, weights=path)
        assert np.array_equal(features, np.asarray(again(pictures))), own


def test_weights_of_keras_own(tmp_path: Path) -> None:
    """An .h5 without the top, as Keras publishes them."""
    import h5py
    import keras
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    shape = (32, 32, 3)
    trunk = keras.applications.MobileNetV2(include_top=False, pooling="avg", input_shape=shape, weights=None)
    path = tmp_path / "notop.h5"
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, trunk)
    model = build_backbone(f"{PREFIX}MobileNetV2", image_hw=(32, 32), channels=3, weights=str(path))
    pictures = np.full((1, 32, 32, 3), 9, np.uint8)
    expected = trunk(keras.applications.mobilenet_v2.preprocess_input(pictures.astype(np.float32)))
    assert np.asarray(model(pictures)) == pytest.approx(np.asarray(expected), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        pytest.param("MobilNetV2", {}, r"has no 'MobilNetV2' \(did you mean MobileNetV2", id="misspelt"),
        pytest.param("Q", {}, "has no 'Q'; they are ConvNeXtBase, .*, Xception$", id="nothing near"),
        pytest.param("vgg16", {}, "has no 'vgg16'", id="a module"),
        pytest.param(
            "VGG16", {"image_hw": (8, 8)}, "VGG16 cannot be built for clean.image_hw 8x8", id="small"
        ),
        pytest.param("VGG16", {"weights": "no.h5"}, r"no\.h5 does not exist; give a file", id="no file"),
        pytest.param("VGG16", {"weights": "no.weights.h5"}, "does not exist", id="no file of weights"),
    ],
)
def test_refuses(name: str, changed: dict[str, Any], message: str) -> None:
    how: dict[str, Any] = {"image_hw": (32, 32), "channels": 3, "weights": None} | changed
    with pytest.raises(ModelError, match=message) as error:
        build_backbone(f"{PREFIX}{name}", **how)
    assert "\n" not in str(error.value)


def test_a_download_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras' own download code, sent to a port where nobody listens."""
    from keras.src.applications import mobilenet_v3

    monkeypatch.setattr(mobilenet_v3, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    how: dict[str, Any] = {"image_hw": (224, 224), "channels": 3, "weights": "imagenet"}
    with pytest.raises(ModelError, match=r"cannot be downloaded .*; give the path of a file, or none"):
        build_backbone(f"{PREFIX}MobileNetV3Small", **how)


def test_the_index_of_keras_is_read_without_importing_it() -> None:
    import keras

    found = vars(keras.applications).items()
    assert list_names() == sorted(name for name, what in found if name[0].isupper() and callable(what))
    code = "import sys; from pipeline.models import check_network; "
    code += "check_network('keras.applications.ResNet50', (64, 64)); sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "image_hw", "message"),
    [
        pytest.param("ResNet50", (64, 64), r"mean keras\.applications\.ResNet50\?", id="no prefix"),
        pytest.param("resnet50", (64, 64), r"mean keras\.applications\.ResNet50\?", id="small letters"),
        pytest.param(f"{PREFIX}ResNet5", (64, 64), r"'ResNet5' \(did you mean ResNet50", id="misspelt"),
        pytest.param(f"{PREFIX}InceptionV3", (80, 74), "at least 75 pixels, got .* 80x74", id="too small"),
        pytest.param("efficientnet_lite0", (31, 99), r"at least 32 pixels \(best: 224\)", id="lite0"),
    ],
)
def test_what_cannot_be_trained_is_told_at_once(name: str, image_hw: tuple[int, int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_network(name, image_hw)
