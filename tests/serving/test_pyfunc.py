"""The logged model, loaded by MLflow as anyone would, on each kind of input it takes."""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ModelError
from pipeline.images.picture import develop, encode_png
from pipeline.serving.answer_rule import AnswerRule, write_rule
from pipeline.serving.classifier import Classifier
from pipeline.serving.pyfunc import ImageClassifier, ShapeError
from pipeline.serving.seal import write_seal
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


NAMES = ["light", "dark", "odd"]


def predict(folder: Path, *encoded: bytes) -> Any:
    """What a classifier says of encoded pictures, without MLflow."""
    classifier = Classifier.load(folder)
    developed = [develop(data, classifier.settings.recipe) for data in encoded]
    return classifier.predict_pictures(np.stack(developed))


def log_model(folder: Path, root: Path) -> str:
    client = connection.connect(root)
    run = runs.create_run(client, root, "train", tags={})
    run.log_classifier(folder)
    assert not run.is_lost
    logged = client.search_logged_models(experiment_ids=[client.get_run(run.run_id).info.experiment_id])
    (uri,) = (model.model_uri for model in logged if model.source_run_id == run.run_id)
    return str(uri)


@pytest.fixture(scope="module")
def model_uri(tracking_root: Path, classifier_folder: Path) -> str:
    return log_model(classifier_folder, tracking_root)


@pytest.fixture(scope="module")
def model(model_uri: str) -> Any:
    import mlflow

    return mlflow.pyfunc.load_model(model_uri)


@pytest.fixture(scope="module")
def served(classifier_folder: Path) -> Any:
    """The model of this checkout, without MLflow around it."""
    served = ImageClassifier()
    served.load(classifier_folder)
    return served


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda data, path: [data], id="bytes"),
        pytest.param(lambda data, path: [base64.b64encode(data).decode()], id="base64, as a server gets it"),
        pytest.param(lambda data, path: [base64.encodebytes(data).decode()], id="base64 with line breaks"),
        pytest.param(
            lambda data, path: [" " + base64.b64encode(data).decode() + "\r\n"], id="base64, blanks"
        ),
        pytest.param(lambda data, path: [path], id="path"),
        pytest.param(lambda data, path: [PICTURE], id="array"),
        pytest.param(lambda data, path: PICTURE[None], id="array of arrays"),
        pytest.param(lambda data, path: pd.DataFrame({"image": [data]}), id="data frame"),
        pytest.param(lambda data, path: pd.DataFrame({"x": [data]}), id="data frame of one column"),
        pytest.param(lambda data, path: pd.DataFrame({"id": [3], "image": [data]}), id="image beside others"),
        pytest.param(lambda data, path: {"image": [data]}, id="mapping"),
        pytest.param(lambda data, path: np.array([[base64.b64encode(data).decode()]]), id="a column of text"),
        pytest.param(lambda data, path: pd.Series([data]), id="series"),
    ],
)
def test_every_kind_of_input_gives_the_same_answer(
    given: Callable[[bytes, Path], Any], model: Any, classifier_folder: Path, tmp_path: Path
) -> None:
    data, path = encode_png(PICTURE), tmp_path / "a picture.png"
    path.write_bytes(data)
    answer = model.predict(given(data, path))
    expected = predict(classifier_folder, data)
    assert list(answer.columns) == ["answer", "class", "probability", "reason", *NAMES]
    np.testing.assert_allclose(answer[NAMES].to_numpy(), expected, atol=1e-6)
    assert answer["class"].tolist() == [NAMES[expected[0].argmax()]]
    assert answer["reason"].tolist() == [None]


BROKEN: list[Any] = [
    pytest.param(b"no picture", "not_an_image: this is a text file", id="no picture"),
    pytest.param(3, "not_an_image: int; bytes, base64 text, a pathlib.Path", id="a number"),
    pytest.param(None, "not_an_image: NoneType", id="a nothing"),
    pytest.param(PICTURE.astype(np.float32), "not_an_image: an array .* of float32", id="floats"),
    pytest.param(np.zeros((0, 3, 3), np.uint8), "an array .0, 3, 3. of uint8", id="an empty array"),
    pytest.param(np.zeros((4, 4, 2), np.uint8), "an array .4, 4, 2. of uint8", id="two channels"),
    pytest.param(Path("no/such/file.png"), "unreadable: 'no/such/file.png' is not a file of", id="no file"),
    pytest.param(Path("/dev/zero"), "is not a file of up to", id="a device"),
    pytest.param("a\0b", "is not base64", id="a NUL"),
    pytest.param("\u00e9" * 10**6, "is not base64", id="a million letters"),
    pytest.param("iVBO_w0K-g==", 'unreadable: url-safe base64; give base64 with "."', id="url-safe base64"),
    pytest.param("data:image/png;base64,iVBO", "a data: URL; give what stands behind its comma", id="URL"),
    pytest.param("", "empty: the file has no bytes", id="an empty text"),
]


@pytest.mark.parametrize(("broken", "reason"), BROKEN)
def test_one_broken_picture_has_a_reason_and_the_others_an_answer(
    broken: Any, reason: str, served: Any, classifier_folder: Path
) -> None:
    good = encode_png(PICTURE)
    answer = served.predict(None, [good, broken, good])
    expected = predict(classifier_folder, good)[0]
    assert answer.loc[0, NAMES].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert answer.loc[2].tolist() == answer.loc[0].tolist()
    assert answer["reason"].isna().tolist() == [True, False, True]
    assert re.search(reason, answer["reason"][1])
    assert "\n" not in answer["reason"][1]
    assert len(answer["reason"][1]) < 400
    assert answer.loc[1].drop("reason").tolist() == [None] * 6
    strict = json.loads(json.dumps(answer.to_dict(orient="records"), allow_nan=False))  # as MLflow writes it
    assert strict[1]["probability"] is None
    assert strict[2]["light"] == pytest.approx(expected[0])


@pytest.mark.parametrize("name", ["a.png", "secret.txt", "none.png", "no/such/folder"])
def test_a_text_opens_no_file(
    name: str, served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can post could see which files there are, and have private pictures classified."""
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(encode_png(PICTURE))
    Path("secret.txt").write_text("a secret")
    for text in (name, str(tmp_path / name)):
        (reason,) = served.predict(None, [text])["reason"]
        told = f"unreadable: the text {text!r} is not base64; from Python, a file is a pathlib.Path"
        assert reason == told if len(text) < 40 else reason.startswith("unreadable: the text '/")
        assert "is not base64" in reason


def test_a_batch_of_broken_pictures_has_reasons_only(served: Any) -> None:
    answer = served.predict(None, [b"", b"GIF"])
    assert answer["class"].tolist() == [None, None]
    assert answer["answer"].tolist() == [None, None]
    assert answer["reason"].str.partition(":")[0].tolist() == ["empty", "not_an_image"]


def test_classes_may_be_called_as_the_columns_are(
    classifier_folder: Path, tracking_root: Path, tmp_path: Path
) -> None:
    """MLflow's DataFrame had two columns of one name, and every request failed."""
    import mlflow

    folder = Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))
    settings = json.loads((folder / "classifier.json").read_text())
    settings["class_names"] = ["probability", "class", "class (class)"]
    (folder / "classifier.json").write_text(json.dumps(settings))
    answer = mlflow.pyfunc.load_model(log_model(folder, tracking_root)).predict([PICTURE])
    columns = ["probability (class)", "class (class) (class)", "class (class)"]
    assert list(answer.columns) == ["answer", "class", "probability", "reason", *columns]
    y_prob = answer[columns].to_numpy()[0]
    assert answer["probability"][0] == y_prob.max()
    assert answer["class"][0] == settings["class_names"][y_prob.argmax()]


@pytest.mark.parametrize(
    "names", [("a", "b"), ("class", "probability"), ("class", "class (class)"), ("reason",)]
)
def test_every_column_has_its_own_name(names: tuple[str, ...]) -> None:
    from pipeline.serving.pyfunc import name_columns

    columns = ["answer", "class", "probability", "reason", *name_columns(names)]
    assert len(set(columns)) == len(columns)
    assert len(name_columns(names)) == len(names)
    assert all(column.startswith(name) for column, name in zip(columns[4:], names, strict=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            PICTURE, "must be a list .*got ndarray of shape .11, 13, 3. and type uint8", id="a picture"
        ),
        pytest.param(PICTURE[None].astype(float), "got ndarray of shape .1, 11, 13, 3", id="floats"),
        pytest.param(np.zeros((2, 8, 8, 5), np.uint8), "got ndarray", id="five channels"),
        pytest.param(pd.DataFrame(), "got DataFrame of shape .0, 0", id="an empty DataFrame"),
        pytest.param(b"GIF", "got bytes; put a single picture into a list", id="bare bytes"),
        pytest.param("a.png", "got str; put a single picture", id="a bare path"),
        pytest.param({"picture": [b""]}, "got dict with 'picture'", id="a mapping"),
        pytest.param(None, "got NoneType", id="nothing"),
        pytest.param(
            pd.DataFrame({"a": [b""], "b": [b""]}), "of shape .1, 2. with 'a', 'b'", id="other columns"
        ),
        pytest.param(
            np.array([["a", "b"]]), "got ndarray of shape .1, 2. and type <U1", id="two columns of text"
        ),
        pytest.param(np.zeros((1, 8, 8, 1), int), "and type int64", id="whole numbers"),
        pytest.param(np.array([1, 2]), "of shape .2,. and type int64", id="a list of numbers"),
        pytest.param(np.array([[1.5]]), "of shape .1, 1. and type float64", id="a column of numbers"),
        pytest.param(pd.Series([True]), "got Series of shape .1,. and type bool", id="a series"),
        pytest.param(pd.DataFrame({"x": [1.5]}), "and type float64 with 'x'", id="numbers under a name"),
        pytest.param(pd.DataFrame({"image": [1]}), "and type int64 with 'image'", id="numbers as pictures"),
        pytest.param(
            pd.DataFrame([[b"", b""]], columns=["image", "image"]),
            "got DataFrame of shape .1, 2. with 'image', 'image'",
            id="two columns of pictures",
        ),
    ],
)
def test_an_input_of_another_shape_is_one_line(given: Any, message: str, served: Any) -> None:
    with pytest.raises(ShapeError, match=message) as caught:
        served.predict(None, given)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    error: Any = caught.value
    assert error.get_http_status_code() == 400


GOOD = base64.encodebytes(encode_png(PICTURE)).decode()


@pytest.mark.parametrize(
    ("kind", "body", "status", "said"),
    [
        pytest.param("json", {"inputs": [GOOD]}, 200, '"reason": null', id="text"),
        pytest.param("json", {"inputs": {"image": [GOOD]}}, 200, '"reason": null', id="named text"),
        pytest.param("json", {"inputs": ["/etc/hostname"]}, 200, "is not base64", id="a file of the server"),
        pytest.param("json", {"inputs": []}, 200, '"predictions": []', id="nothing"),
        pytest.param("json", {"inputs": [1, 2]}, 400, "int64", id="numbers"),
        pytest.param("json", {"inputs": {"image": [1]}}, 400, "int64", id="named numbers"),
        pytest.param("json", {"dataframe_records": [{"x": 1}]}, 400, "int64 with 'x'", id="a record"),
        pytest.param(
            "json",
            {"dataframe_split": {"columns": ["image", "image"], "data": [[GOOD, GOOD]]}},
            400,
            "with 'image', 'image'",
            id="two columns of one name",
        ),
        pytest.param("csv", "x\n1\n2\n", 400, "int64 with 'x'", id="a table of numbers"),
        pytest.param(
            "csv", 'image,id\n"a b.",1\n', 200, "unreadable: the text 'a b.' is not", id="a table of text"
        ),
    ],
)
def test_what_the_server_answers(kind: str, body: Any, status: int, said: str, model: Any) -> None:
    data = json.dumps(body) if kind == "json" else body
    code, answer = ask(data, {"json": "application/json", "csv": "text/csv"}[kind], model)
    assert code == status
    assert said in answer


def ask(data: str, content_type: str, model: Any) -> tuple[int, str]:
    """MLflow's own way from the body of a request to the code and text of its answer, without a socket."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import scoring_server

    server: Any = scoring_server
    try:
        answer = server.invocations(data, content_type, model, None)
    except MlflowException as error:
        refused: Any = error
        return refused.get_http_status_code(), refused.message
    return answer.status, answer.response


@pytest.mark.parametrize("name", ["model.keras", "classifier.json", "answers.json"])
def test_a_file_that_was_changed_since_is_refused(
    name: str, classifier_folder: Path, tracking_root: Path, tmp_path: Path
) -> None:
    import mlflow

    folder = Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))
    write_rule(AnswerRule(), {}, folder / "answers.json")
    write_seal(folder)
    there = Path(
        mlflow.artifacts.download_artifacts(log_model(folder, tracking_root), dst_path=str(tmp_path))
    )
    loaded: Any = mlflow.pyfunc.load_model(str(there))
    assert loaded.predict([PICTURE])["reason"].tolist() == [None]
    (changed,) = (there / "artifacts").rglob(name)
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"is not as it was registered: {name} was changed"):
        mlflow.pyfunc.load_model(str(there))


def test_no_picture_has_no_row(served: Any) -> None:
    nothing: Any
    for nothing in ([], np.array([]), pd.DataFrame({"image": []}), np.zeros((0, 8, 8, 1), np.uint8)):
        answer = served.predict(None, nothing)
        assert list(answer.columns) == ["answer", "class", "probability", "reason", *NAMES]
        assert len(answer) == 0


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
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise RuntimeError('not the code of the model')")
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
    expected = predict(classifier_folder, encode_png(PICTURE))
    assert found["columns"] == ["answer", "class", "probability", "reason", *classifier.class_names]
    ((answer, name, probability, reason, *y_prob),) = found["rows"]
    assert reason is None
    np.testing.assert_allclose([y_prob], expected, atol=1e-6)
    assert answer == name == classifier.class_names[expected[0].argmax()]
    assert probability == pytest.approx(expected.max())
