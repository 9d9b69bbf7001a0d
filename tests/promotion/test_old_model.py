"""A model that an older Darkroom logged still answers, by its own code, as it did on the day it was made.

If this fails, mend the code, not the archive: people have such models in their registries.
"""

import base64
import json
import logging
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.images.picture import develop
from pipeline.serving.classifier import Classifier
from pipeline.serving.model_process import ModelProcess


def test_it_answers_as_it_did_by_its_own_code(old_model: Path) -> None:
    golden = json.loads((old_model / "golden.json").read_text(encoding="utf-8"))
    before = list_files(old_model)
    with ModelProcess(old_model / "model") as process:
        assert process.code.is_relative_to(old_model / "model" / "code")
        rows = process.ask([base64.b64decode(one) for one in golden["pictures"].values()])
    assert [row["reason"] for row in rows] == [None] * len(golden["pictures"])
    y_prob = [[row[name] for name in golden["class_names"]] for row in rows]
    np.testing.assert_allclose(y_prob, list(golden["y_prob"].values()), rtol=0, atol=1e-5)
    assert {row["answer"] for row in rows} == {"light", "dark", "review"}
    assert list_files(old_model) == before, "nothing is written into the registry"


def list_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_the_code_of_today_answers_as_it_did_and_says_that_it_has_no_seal(
    old_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`darkroom predict` runs a registered model with its own code."""
    caplog.set_level(logging.INFO)
    golden = json.loads((old_model / "golden.json").read_text(encoding="utf-8"))
    classifier = Classifier.load(old_model / "model" / "artifacts" / "classifier", seal="")
    pictures = [
        develop(base64.b64decode(one), classifier.settings.recipe) for one in golden["pictures"].values()
    ]
    y_prob = classifier.predict_pictures(np.stack(pictures))
    np.testing.assert_allclose(y_prob, list(golden["y_prob"].values()), rtol=0, atol=1e-5)
    assert [message for message in caplog.messages if "by an older Darkroom" in message]


def test_nothing_in_it_names_a_machine() -> None:
    with zipfile.ZipFile(Path(__file__).with_name("old_model.zip")) as archive:
        texts = {name: archive.read(name).decode("latin-1") for name in archive.namelist()}
    for name, text in texts.items():
        assert not re.search(r"/(tmp|home|root|work|Users|mnt)/\w", text), name
    assert "uri: /project/classifier" in texts["model/MLmodel"]
