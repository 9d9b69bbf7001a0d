"""A seal finds every change of a folder, names the file, and lets a folder without one through."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.serving.classifier import Classifier
from pipeline.serving.seal import SEAL_FILE, check_model, check_seal, seal_model, write_seal
from pipeline.storage import hash_file


@pytest.fixture
def folder(classifier_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))


def test_it_holds_the_hash_of_each_file(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    seal = write_seal(folder)
    assert json.loads((folder / SEAL_FILE).read_text()) == {name: hash_file(folder / name) for name in before}
    assert seal == hash_file(folder / SEAL_FILE)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SEAL_FILE} == before
    assert write_seal(folder) == seal, "the same files, the same seal"
    check_seal(folder, seal)
    assert Classifier.load(folder, seal=seal).class_names == ("light", "dark", "odd")


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "model.keras").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.keras").write_bytes(data)


def name_another_class(folder: Path) -> None:
    settings = folder / "classifier.json"
    settings.write_text(settings.read_text().replace("odd", "old"))


def add_below(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "x\x1b[2J.py").write_text("")


def link_elsewhere(folder: Path) -> None:
    (folder / "classifier.json").rename(folder.parent / "classifier.json")
    (folder / "classifier.json").symlink_to(folder.parent / "other.json")


def forget_a_file(folder: Path) -> None:
    hashes = json.loads((folder / SEAL_FILE).read_text())
    del hashes["classifier.json"]
    (folder / SEAL_FILE).write_text(json.dumps(hashes))


CHANGES = [
    pytest.param(flip_a_bit, "model.keras was changed", id="a bit"),
    pytest.param(name_another_class, "classifier.json was changed", id="a class"),
    pytest.param(lambda folder: (folder / "model.keras").unlink(), "model.keras is missing", id="missing"),
    pytest.param(
        lambda folder: (folder / "answers.json").write_text("{}"), "answers.json was added", id="added"
    ),
    pytest.param(add_below, r"more/x\\x1b\[2J.py was added", id="added below"),
    pytest.param(link_elsewhere, "classifier.json is missing", id="a link to nothing"),
    pytest.param(forget_a_file, "classifier.json was added", id="a seal without it"),
    pytest.param(lambda folder: (folder / SEAL_FILE).write_text("["), "cannot be compared", id="half a seal"),
    pytest.param(lambda folder: (folder / SEAL_FILE).write_text("[]"), "lists no files", id="another seal"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_change_is_refused_with_the_name_of_the_file(
    change: Callable[[Path], object], said: str, folder: Path
) -> None:
    write_seal(folder)
    change(folder)
    with pytest.raises(ModelError, match=f"{folder} is not as it was registered: .*{said}") as caught:
        Classifier.load(folder)
    assert "\n" not in str(caught.value)
    assert "`dvc repro`" in str(caught.value)


@pytest.mark.parametrize("change", [flip_a_bit, name_another_class])
def test_a_seal_that_was_written_anew_is_not_the_one_that_the_registry_knows(
    change: Callable[[Path], object], folder: Path
) -> None:
    known = write_seal(folder)
    change(folder)
    write_seal(folder)
    check_seal(folder, "")  # nobody knows better
    with pytest.raises(ModelError, match=r"sha256\.json is another than the registry knows"):
        check_seal(folder, known)


def test_a_seal_that_the_registry_knows_must_be_there(folder: Path) -> None:
    known = write_seal(folder)
    (folder / SEAL_FILE).unlink()
    with pytest.raises(ModelError, match=r"sha256\.json is missing, whose hash the registry knows"):
        check_seal(folder, known)


def test_an_older_model_has_none_and_the_log_says_so_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Classifier.load(folder)
    assert caplog.messages == [], "the model of a run, whose files DVC compares"
    Classifier.load(folder, seal="")
    (said,) = (record for record in caplog.records if SEAL_FILE in record.getMessage())
    assert said.levelno == logging.INFO
    assert "by an older Darkroom; its files are not checked" in said.getMessage()


MLMODEL = """\
flavors:
  python_function:
    loader_module: mlflow.pyfunc.loaders.code_model
    code: code
    model_code_path: /elsewhere/pipeline/serving/pyfunc.py
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model as MLflow writes it, sealed."""
    for name in ("code/pipeline/__init__.py", "pyfunc.py", "artifacts/exam/predictions.parquet"):
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_text("as it was")
    (tmp_path / "m" / "MLmodel").write_text(MLMODEL)
    return tmp_path / "m"


def test_a_model_is_let_through_with_what_mlflow_and_python_add(model: Path) -> None:
    seal = seal_model(model)
    (model / "MLmodel").write_text(MLMODEL + "model_size_bytes: 5\n")
    (model / "registered_model_meta").write_text("model_name: m")
    compiled = model / "code" / "pipeline" / "__pycache__" / "__init__.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"other code")
    check_model(model, seal)
    assert not compiled.exists(), "it would run in place of the source"
    check_model(model, "")  # as an older Darkroom registered it


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("code/pipeline/__init__.py", "evil", "code/pipeline/__init__.py was changed", id="code"),
        pytest.param("pyfunc.py", "evil", r"pyfunc\.py was changed", id="entry"),
        pytest.param("code/sitecustomize.py", "evil", r"code/sitecustomize\.py was added", id="more code"),
        pytest.param("artifacts/exam/predictions.parquet", "x", "predictions.parquet was changed", id="exam"),
        pytest.param(
            "MLmodel", MLMODEL.replace("loaders.code_model", "evil"), "MLmodel names other code", id="loader"
        ),
        pytest.param("MLmodel", MLMODEL.replace("code: code", "code: .."), "MLmodel names other", id="path"),
        pytest.param("MLmodel", "flavors: {}", "MLmodel cannot be read", id="no loader"),
    ],
)
def test_a_model_that_was_changed_is_refused(model: Path, name: str, text: str, said: str) -> None:
    seal = seal_model(model)
    (model / name).write_text(text)
    with pytest.raises(ModelError, match=said):
        check_model(model, seal)
