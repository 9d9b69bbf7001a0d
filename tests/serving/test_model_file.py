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


def replace_config(text: bytes) -> Edit:
    return lambda files: files.update({"config.json": text})


CASES = [
    pytest.param(change_last(units=2_000_000), "ask for 4,000,000 weights and it holds", id="2M-units"),
    pytest.param(change_last(units=10**15), "ask for 2,000,000,000,000,000 weights", id="10^15-units"),
    pytest.param(change_last(units=-1), "is damaged", id="negative"),
    pytest.param(change_last(units="x"), "is damaged", id="a-word"),
    pytest.param(replace_config(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "recursion depth", id="deep"),
    pytest.param(replace_config(b"[1, 2]"), "describes no network", id="a-list"),
    pytest.param(replace_config(b"1" * 10_000), "is damaged: Exceeds the limit", id="10000-digits"),
    pytest.param(lambda files: files.pop("config.json"), "lacks the file config.json", id="no-config"),
    pytest.param(lambda files: files.pop("model.weights.h5"), "lacks the file model.w", id="no-weights"),
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


def test_a_sound_one_is_loaded_with_its_weights(archive: Path) -> None:
    rewrite(archive, lambda files: None, zipfile.ZIP_DEFLATED)
    kernel, bias = load_network(archive).get_weights()
    assert np.array_equal(kernel, [[8.0, -8.0, 0.0]])
    assert np.array_equal(bias, [-4.0, 4.0, -9.0])
