"""Predictions for files: every kind of place, every file accounted for."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import SourceError
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import make_decoders
from pipeline.serving.predictions import Prediction, find_files, predict_files

FILES = {
    "b/black.png": encode_grey_png([bytes(8)] * 8),
    "b/cut.png": encode_grey_png([bytes(8)] * 8)[:60],
    "a/white.png": encode_grey_png([b"\xff" * 8] * 8),
    "notes.txt": b"not an image",
    ".hidden/x.png": b"",
    "__MACOSX/white.png": b"",
}


Predict = Callable[..., list[Prediction]]


@pytest.fixture(scope="module")
def predict(classifier_folder: Path) -> Iterator[Predict]:
    """`predict([path])`: what the classifier says of the files at some paths."""
    classifier = Classifier.load(classifier_folder)
    with make_decoders(classifier.settings.recipe) as decoders:
        yield lambda paths, top=1: predict_files(find_files(paths), classifier, decoders, top=top)


def write_folder(where: Path) -> Path:
    for name, data in FILES.items():
        (where / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (where / "scans" / name).write_bytes(data)
    return where / "scans"


def write_zip(where: Path) -> Path:
    with zipfile.ZipFile(where / "scans.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    return where / "scans.zip"


def write_tar(where: Path) -> Path:
    with tarfile.open(where / "scans.tar.gz", "w:gz") as archive:
        archive.add(write_folder(where), arcname=".")
    return where / "scans.tar.gz"


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write_folder, id="as_folder"),
        pytest.param(write_zip, id="as_zip"),
        pytest.param(write_tar, id="as_tar"),
    ],
)
def test_every_file_of_a_place_is_there(
    write: Callable[[Path], Path], tmp_path: Path, predict: Predict
) -> None:
    where = write(tmp_path)
    white, black, cut, notes = predict([where])
    for prediction, file, name in ((white, "a/white.png", "light"), (black, "b/black.png", "dark")):
        assert prediction.file == str(where / file)
        ((found, probability),) = prediction.classes
        assert found == name
        assert probability == pytest.approx(0.9997, abs=1e-4)
        assert prediction.refusal is None
    assert cut.file == str(where / "b/cut.png")
    assert str(cut.refusal).startswith("truncated: ")
    assert notes.file == str(where / "notes.txt")
    assert str(notes.refusal).startswith("not_an_image: ")
    assert cut.classes == notes.classes == ()


def test_single_files_keep_their_order(tmp_path: Path, predict: Predict) -> None:
    folder = write_folder(tmp_path)
    asked = [folder / "b/black.png", folder / "a/white.png"]
    assert [p.file for p in predict(asked)] == [str(p) for p in asked]


def test_the_likeliest_classes_come_first(tmp_path: Path, predict: Predict) -> None:
    (prediction,) = predict([write_folder(tmp_path) / "a"], top=9)
    assert [name for name, _ in prediction.classes] == ["light", "dark", "odd"]
    probabilities = [p for _, p in prediction.classes]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)


def test_more_pictures_than_fit_in_memory_at_a_time(
    tmp_path: Path, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.serving.predictions._CHUNK", 3)
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(encode_grey_png([bytes([255 * (i % 2)] * 8)] * 8))
    found = predict([tmp_path])
    assert [p.classes[0][0] for p in found] == ["dark", "light"] * 4


def test_a_damaged_archive_is_listed(tmp_path: Path, predict: Predict) -> None:
    (tmp_path / "scans.zip").write_bytes(b"PK no")
    (prediction,) = predict([tmp_path / "scans.zip"])
    assert prediction.file == str(tmp_path / "scans.zip")
    assert prediction.refusal
    assert prediction.refusal.reason == "unreadable"
    assert prediction.refusal.detail.endswith(
        "scans.zip cannot be read: File is not a zip file; get a complete copy"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("nowhere", "nowhere does not exist; name images, folders", id="missing"),
        pytest.param("empty", "there is no file in .*empty", id="empty-folder"),
    ],
)
def test_a_place_without_files_is_an_error(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        find_files([tmp_path / name])
