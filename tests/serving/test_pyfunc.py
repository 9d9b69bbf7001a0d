"""The logged model, loaded by MLflow as anyone would, on each kind of input it takes."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ImageError
from pipeline.images.picture import encode_png
from pipeline.serving.classifier import Classifier
from pipeline.tracking import connection, runs

PICTURE = np.random.default_rng(0).integers(0, 256, (11, 13, 3), dtype=np.uint8)

# Loads a model, asks it about a picture, and says where all that it imported of the package came from.
IN_A_PROCESS = """
import json, sys
import mlflow.pyfunc
assert not [name for name in sys.modules if name.partition(".")[0] == "pipeline"]
answer = mlflow.pyfunc.load_model(sys.argv[1]).predict([sys.argv[2]])
files = [m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] == "pipeline"]
print(json.dumps({"files": files, "columns": list(answer.columns), "rows": answer.values.tolist()}))
"""


@pytest.fixture(scope="module")
def model_uri(tracking_root: Path, classifier_folder: Path) -> str:
    client = connection.connect(tracking_root)
    run = runs.create_run(client, tracking_root, "train", tags={})
    run.log_classifier(classifier_folder)
    assert not run.is_lost
    logged = client.search_logged_models(experiment_ids=[client.get_run(run.run_id).info.experiment_id])
    (uri,) = (model.model_uri for model in logged if model.source_run_id == run.run_id)
    return str(uri)


@pytest.fixture(scope="module")
def model(model_uri: str) -> Any:
    import mlflow

    return mlflow.pyfunc.load_model(model_uri)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda data, path: [data], id="bytes"),
        pytest.param(lambda data, path: [base64.b64encode(data).decode()], id="base64, as a server gets it"),
        pytest.param(lambda data, path: [str(path)], id="path as text"),
        pytest.param(lambda data, path: [path], id="path"),
        pytest.param(lambda data, path: [PICTURE], id="array"),
        pytest.param(lambda data, path: PICTURE[None], id="array of arrays"),
        pytest.param(lambda data, path: pd.DataFrame({"image": [data]}), id="data frame"),
    ],
)
def test_every_kind_of_input_gives_the_same_answer(
    given: Callable[[bytes, Path], Any], model: Any, classifier_folder: Path, tmp_path: Path
) -> None:
    data, path = encode_png(PICTURE), tmp_path / "a picture.png"
    path.write_bytes(data)
    answer = model.predict(given(data, path))
    expected = Classifier.load(classifier_folder).predict_bytes([data])
    names = list(Classifier.load(classifier_folder).class_names)
    assert list(answer.columns) == ["class", "probability", *names]
    np.testing.assert_allclose(answer[names].to_numpy(), expected, atol=1e-6)
    assert answer["class"].tolist() == [names[expected[0].argmax()]]


def test_a_broken_picture_is_named(model: Any) -> None:
    with pytest.raises(ImageError, match="not_an_image: starts with"):
        model.predict([b"no picture"])


def test_it_brings_the_code_that_it_was_made_with(
    model_uri: str, classifier_folder: Path, tmp_path: Path
) -> None:
    """Elsewhere, in a process that knows nothing of this repository, the answers are the same.

    A process that has imported `pipeline` before, as this one has, serves with its own code: Python imports a
    package once. So the tests above say nothing about the copy that travels, and a process of its own does.
    The package is installed here in place, so that without the copy it would be found in the repository.
    """
    import mlflow

    there = Path(mlflow.artifacts.download_artifacts(model_uri, dst_path=str(tmp_path)))
    encoded = base64.b64encode(encode_png(PICTURE)).decode()
    done = subprocess.run(
        [sys.executable, "-I", "-c", IN_A_PROCESS, str(there), encoded],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert there.is_relative_to(tmp_path)
    assert there / "code" / "pipeline" / "__init__.py" in map(Path, found["files"])
    assert [file for file in found["files"] if not Path(file).is_relative_to(there / "code")] == []
    classifier = Classifier.load(classifier_folder)
    expected = classifier.predict_bytes([encode_png(PICTURE)])
    assert found["columns"] == ["class", "probability", *classifier.class_names]
    ((name, probability, *y_prob),) = found["rows"]
    np.testing.assert_allclose([y_prob], expected, atol=1e-6)
    assert name == classifier.class_names[expected[0].argmax()]
    assert probability == pytest.approx(expected.max())
