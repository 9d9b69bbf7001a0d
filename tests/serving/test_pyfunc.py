"""The logged model, loaded by MLflow as anyone would, on each kind of input it takes."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ImageError
from pipeline.images.picture import encode_png
from pipeline.serving.classifier import Classifier
from pipeline.tracking import connection

PICTURE = np.random.default_rng(0).integers(0, 256, (11, 13, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tracking_root: Path, classifier_folder: Path) -> Any:
    import mlflow

    client = connection.connect(tracking_root)
    run = connection.create_run(client, tracking_root, "train", tags={})
    run.log_classifier(classifier_folder)
    assert not run.is_lost
    (logged,) = client.search_logged_models(experiment_ids=[client.get_run(run.run_id).info.experiment_id])
    return mlflow.pyfunc.load_model(logged.model_uri)


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
