"""An archive that asks for more than it holds, or that no parser survives, is one line, at once."""

import json
import resource
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.serving.model_file import load_network
from tests.effort import limit_effort

Edit = Callable[[dict[str, bytes]], None]


@pytest.fixture
def archive(classifier_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(classifier_folder / "model.keras", tmp_path / "model.keras"))


def rewrite(path: Path, edit: Edit, kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    edit(files)
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def change_config(change: Callable[[dict[str, Any]], object]) -> Edit:
    def edit(files: dict[str, bytes]) -> None:
        config = json.loads(files["config.json"])
        change(config)
        files["config.json"] = json.dumps(config).encode()

    return edit


def change_last(**values: Any) -> Edit:
    return change_config(lambda config: config["config"]["layers"][-1]["config"].update(values))


def add_layer(class_name: str, **config: Any) -> Edit:
    layer = {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}
    return change_config(lambda whole: whole["config"]["layers"].append(layer))


def replace_config(text: bytes) -> Edit:
    return lambda files: files.update({"config.json": text})


def state_more(files: dict[str, bytes]) -> None:
    """An array of 400 GB of which nothing is stored."""
    import io

    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("layers/dense/vars/0", shape=(10**6, 10**5), dtype="float32", chunks=(1000, 1000))
    files["model.weights.h5"] = stream.getvalue()


def point_elsewhere(files: dict[str, bytes]) -> None:
    import io

    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("x", shape=(8,), dtype="uint8", external=[("/etc/hostname", 0, 8)])
    files["model.weights.h5"] = stream.getvalue()


LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None, "closure": None}}
CASES = [
    pytest.param(change_last(units=2_000_000), "ask for 4,000,000 weights and it holds", id="2M-units"),
    pytest.param(change_last(units=10**15), "ask for 2,000,000,000,000,000 weights", id="10^15-units"),
    pytest.param(change_last(units=-1), "is damaged", id="negative"),
    pytest.param(change_last(units="x"), "is damaged", id="a-word"),
    pytest.param(replace_config(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "recursion depth", id="deep"),
    pytest.param(replace_config(b"[1, 2]"), "is damaged", id="a-list"),
    pytest.param(replace_config(b"1" * 10_000), "is damaged: Exceeds the limit", id="10000-digits"),
    pytest.param(replace_config(b" " * (17 << 20)), "config.json has 17,825,792 bytes", id="17-MB"),
    pytest.param(
        replace_config(b'{"module": "os", "class_name": "system", "config": {"command": "true"}}'),
        "is damaged",
        id="a-command",
    ),
    pytest.param(add_layer("Lambda", function=LAMBDA), "is damaged: Requested the deser", id="code"),
    pytest.param(add_layer("NoSuchLayer"), "is damaged", id="an-unknown-layer"),
    pytest.param(state_more, "state 400,000,000,000 bytes and have", id="weights-that-are-not-there"),
    pytest.param(point_elsewhere, "its weights x lie in another file", id="weights-elsewhere"),
    pytest.param(lambda files: files.pop("config.json"), "is damaged", id="no-config"),
    pytest.param(lambda files: files.pop("model.weights.h5"), "is damaged", id="no-weights"),
]


@pytest.mark.parametrize(("edit", "message"), CASES)
def test_it_is_refused_before_keras_builds_it(edit: Edit, message: str, archive: Path) -> None:
    rewrite(archive, edit)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with limit_effort(500), pytest.raises(ModelError, match=message) as caught:
        load_network(archive)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 300_000
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_what_a_refused_one_asked_for_is_never_filled(archive: Path) -> None:
    """Keras fills what an earlier scope left empty: a network built later would pay for it, or fail."""
    rewrite(archive, change_last(units=10**15))
    with pytest.raises(ModelError):
        load_network(archive)
    with keras.StatelessScope():
        pass


def test_an_archive_that_unpacks_to_much_more_is_refused(archive: Path) -> None:
    rewrite(archive, lambda files: files.update({"assets/x": bytes(80 << 20)}), zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match=r"model.keras unpacks to 83,\d+,\d+ bytes, many times its size"):
        load_network(archive)


def test_a_sound_one_is_loaded_with_its_weights(archive: Path) -> None:
    rewrite(archive, lambda files: None, zipfile.ZIP_DEFLATED)
    kernel, bias = load_network(archive).get_weights()
    assert np.array_equal(kernel, [[8.0, -8.0, 0.0]])
    assert np.array_equal(bias, [-4.0, 4.0, -9.0])
