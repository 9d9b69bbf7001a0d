"""A model that an older Darkroom logged still answers, by its own code, as it did on the day it was made.

If this fails, mend the code, not the archive: people have such models in their registries.
"""

import base64
import json
import logging
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.images.picture import develop
from pipeline.serving.classifier import Classifier

# Loads a model by MLflow alone, answers the golden pictures, and says where the package's code came from.
PROGRAM = """
import base64, json, sys
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
golden = json.loads(open(sys.argv[2]).read())
answer = model.predict([base64.b64decode(one) for one in golden["pictures"].values()])
import pipeline
files = [m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] == "pipeline"]
y_prob = answer[golden["class_names"]].values.tolist()
print(json.dumps({"pipeline": pipeline.__file__, "files": files, "y_prob": y_prob,
                  "answers": answer["answer"].tolist(), "reasons": answer["reason"].tolist()}))
"""


def test_it_answers_as_it_did_by_its_own_code(old_model: Path, tmp_path: Path) -> None:
    golden = json.loads((old_model / "golden.json").read_text(encoding="utf-8"))
    command = [sys.executable, "-I", "-c", PROGRAM, str(old_model / "model"), str(old_model / "golden.json")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["pipeline"]).is_relative_to(old_model / "model" / "code")
    assert [file for file in found["files"] if not Path(file).is_relative_to(old_model)] == []
    assert found["reasons"] == [None] * len(golden["pictures"])
    np.testing.assert_allclose(found["y_prob"], list(golden["y_prob"].values()), rtol=0, atol=1e-5)
    assert set(found["answers"]) == {"light", "dark", "review"}


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
