"""Nothing of a hostile .keras runs, and every network of Darkroom's passes the check."""

import ast
import functools
import json
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import pytest

from benchmarks.hostile_models import MODELS, Hostile, change_archive
from pipeline.errors import ModelError
from pipeline.models import EFFICIENTNET_LITE0, FAMILIES, Head, applications, build_model
from pipeline.models.knobs import Knobs
from pipeline.serving.archive_check import ALLOWED, MEMBERS, _find_foreign_class, _list_objects, check_archive
from pipeline.serving.classifier import Classifier
from tests.effort import limit_effort

# One network a module of `keras.applications`; the others of a module are built by the same code.
SMALLEST = {
    "convnext": ("ConvNeXtTiny", 32),
    "densenet": ("DenseNet121", 32),
    "efficientnet": ("EfficientNetB0", 32),
    "efficientnet_v2": ("EfficientNetV2B0", 32),
    "inception_resnet_v2": ("InceptionResNetV2", 75),
    "inception_v3": ("InceptionV3", 75),
    "mobilenet": ("MobileNet", 32),
    "mobilenet_v2": ("MobileNetV2", 32),
    "mobilenet_v3": ("MobileNetV3Small", 32),
    "nasnet": ("NASNetMobile", 224),
    "resnet": ("ResNet50", 32),
    "resnet_v2": ("ResNet50V2", 32),
    "vgg16": ("VGG16", 32),
    "vgg19": ("VGG19", 32),
    "xception": ("Xception", 71),
}
ALTERED = Knobs(filters=2, units=2, activation="gelu", dropout=0.1, kernel_l2=0.1, all_levels=True)
KNOBS = (Knobs(), ALTERED)
HEADS: tuple[Head, ...] = ("softmax", "sigmoid", "one_vs_rest")


@pytest.fixture
def folder(classifier_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))


@pytest.mark.parametrize("hostile", MODELS.values(), ids=MODELS)
def test_a_hostile_model_is_refused_and_nothing_of_it_runs(
    hostile: Hostile, classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "a" / "b"
    folder = Path(shutil.copytree(classifier_folder, here / "classifier"))
    change_archive(folder, hostile.change)
    monkeypatch.chdir(here)
    before = sorted(tmp_path.rglob("*"))
    with limit_effort(500), pytest.raises(ModelError, match=hostile.refusal) as caught:
        Classifier.load(folder)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 700
    assert str(folder) in said
    assert sorted(tmp_path.rglob("*")) == before, "something ran, or was unpacked"


def test_a_sound_one_passes(folder: Path) -> None:
    config, n_bytes = check_archive(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        assert set(archive.namelist()) == MEMBERS
        assert n_bytes == archive.getinfo("model.weights.h5").file_size
        assert config == json.loads(archive.read("config.json"))


def test_a_group_that_holds_itself_ends(folder: Path) -> None:
    import h5py

    def write(files: dict[Any, bytes]) -> None:
        import io

        stream = io.BytesIO(files["model.weights.h5"])
        with h5py.File(stream, "a") as file:
            file["layers/again"] = file["layers"]
        files["model.weights.h5"] = stream.getvalue()

    change_archive(folder, write)
    assert Classifier.load(folder).class_names == ("light", "dark", "odd")


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", [*FAMILIES, EFFICIENTNET_LITE0])
def test_every_network_of_ours_passes(name: str, head: Head, policy: str) -> None:
    for knobs in KNOBS:
        config = configure(name, 32, head=head, knobs=knobs, policy=policy)
        assert _find_foreign_class(config) == ""


@pytest.mark.parametrize("module", SMALLEST)
def test_a_network_of_each_module_of_keras_passes(module: str) -> None:
    """Built in full; of all 40, the next test looks at the source."""
    name, side_px = SMALLEST[module]
    assert applications._list_homes()[name] == module
    assert _find_foreign_class(configure(f"{applications.PREFIX}{name}", side_px)) == ""


def test_every_module_of_keras_is_built_of_what_is_allowed() -> None:
    """No network of `keras.applications` names a layer that is not allowed, and no module is new."""
    homes = set(applications._list_homes().values())
    assert homes == set(SMALLEST)
    unused = {"Layer", "Input", "GlobalMaxPooling2D"}  # a base class, a function, and another `pooling`
    allowed = set().union(*ALLOWED.values()) | unused
    for home in homes:
        path = applications._locate_keras() / "src" / "applications" / f"{home}.py"
        assert set(list_layers(path)) <= allowed, home


def list_layers(path: Path) -> Iterator[str]:
    """Each X that a source file names as `layers.X`, where X is a class."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "layers" and node.attr[0].isupper():
            yield node.attr


def test_nothing_is_allowed_that_no_network_needs() -> None:
    configs = [
        configure(name, 32, head=head, knobs=knobs)
        for name in [*FAMILIES, EFFICIENTNET_LITE0]
        for head in HEADS
        for knobs in KNOBS
    ]
    configs += [configure(f"{applications.PREFIX}{name}", side) for name, side in SMALLEST.values()]
    asked = {(found.get("module"), found["class_name"]) for one in configs for _, found in _list_objects(one)}
    needed = {(module, name) for module, names in ALLOWED.items() for name in names}
    assert needed == asked - {(None, "__keras_tensor__")}


@functools.cache
def configure(
    name: str,
    side_px: int,
    *,
    channels: int = 3,
    policy: str = "float32",
    head: Head = "softmax",
    knobs: Knobs = ALTERED,
) -> Any:
    """The configuration of a network as its archive would hold it, without filling a weight."""

    def build() -> Any:
        with keras.StatelessScope(initialize_variables=False):
            how: dict[str, Any] = {"head": head, "knobs": knobs, "n_classes": 2, "channels": channels}
            return keras.saving.serialize_keras_object(build_model(name, image_hw=(side_px,) * 2, **how))

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with ThreadPoolExecutor(1) as thread:  # Keras lists what it did not fill, per thread
            return json.loads(json.dumps(thread.submit(build).result()))
    finally:
        keras.config.set_dtype_policy(before)
