"""Predictions for files: every kind of place, every file accounted for."""

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import SourceError
from pipeline.refusals import Refusal
from pipeline.serving.classifier import Classifier
from pipeline.serving.predictions import Prediction, find_files, predict_files, write_csv

FILES = {
    "b/black.png": encode_grey_png([bytes(8)] * 8),
    "b/cut.png": encode_grey_png([bytes(8)] * 8)[:60],
    "a/white.png": encode_grey_png([b"\xff" * 8] * 8),
    "notes.txt": b"not an image",
    ".hidden/x.png": b"",
    "__MACOSX/white.png": b"",
}


@pytest.fixture(scope="module")
def classifier(classifier_folder: Path) -> Classifier:
    return Classifier.load(classifier_folder)


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
    write: Callable[[Path], Path], tmp_path: Path, classifier: Classifier
) -> None:
    where = write(tmp_path)
    white, black, cut, notes = predict_files(find_files([where]), classifier, top=1)
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


def test_single_files_keep_their_order(tmp_path: Path, classifier: Classifier) -> None:
    folder = write_folder(tmp_path)
    asked = [folder / "b/black.png", folder / "a/white.png"]
    assert [p.file for p in predict_files(find_files(asked), classifier, top=1)] == [str(p) for p in asked]


def test_the_likeliest_classes_come_first(tmp_path: Path, classifier: Classifier) -> None:
    (prediction,) = predict_files(find_files([write_folder(tmp_path) / "a"]), classifier, top=9)
    assert [name for name, _ in prediction.classes] == ["light", "dark", "odd"]
    probabilities = [p for _, p in prediction.classes]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)


def test_more_pictures_than_fit_in_memory_at_a_time(
    tmp_path: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.serving.predictions._CHUNK", 3)
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(encode_grey_png([bytes([255 * (i % 2)] * 8)] * 8))
    found = predict_files(find_files([tmp_path]), classifier, top=1)
    assert [p.classes[0][0] for p in found] == ["dark", "light"] * 4


def test_a_damaged_archive_is_listed(tmp_path: Path, classifier: Classifier) -> None:
    (tmp_path / "scans.zip").write_bytes(b"PK no")
    (prediction,) = predict_files(find_files([tmp_path / "scans.zip"]), classifier, top=1)
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


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        pytest.param([], "file,reason,class,probability\n", id="none"),
        pytest.param(
            [
                Prediction("a, b.png", (("x", 0.75), ("y", 0.25))),
                Prediction("c", refusal=Refusal("corrupt", "?")),
            ],
            "file,reason,class,probability,class_2,probability_2\n"
            '"a, b.png",,x,0.750000,y,0.250000\n'
            "c,corrupt: ?,,,,\n",
            id="two-classes-and-a-reason",
        ),
        pytest.param(
            [Prediction("=HYPERLINK(0)", (("@x", 0.5), ("-y\x1b", 0.5))), Prediction("-1", (("+", 1e-7),))],
            "file,reason,class,probability,class_2,probability_2\n"
            "'=HYPERLINK(0),,'@x,0.500000,'-y\\x1b,0.500000\n"
            "'-1,,'+,0.000000,,\n",
            id="what-a-spreadsheet-would-run",
        ),
    ],
)
def test_a_csv_has_a_line_a_file(predictions: list[Prediction], expected: str, tmp_path: Path) -> None:
    write_csv(predictions, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == expected
