"""Predictions for files: every kind of place, every file accounted for."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import make_scanners
from pipeline.serving.files import find_files
from pipeline.serving.predictions import Answered, Prediction, predict_files

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
    with make_scanners(classifier.settings.recipe) as scanners:
        yield lambda paths, top=1: [
            one.prediction for one in predict_files(find_files(paths), classifier, scanners, top=top)
        ]


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
    white, black, cut, notes = sorted(predict([where]), key=lambda one: one.file)
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


def write_many(where: Path, n: int = 80) -> Path:
    """Pictures in turn dark and light, and two files in between that are none."""
    where.mkdir(exist_ok=True)
    for i in range(n):
        (where / f"{i:03d}.png").write_bytes(encode_grey_png([bytes([255 * (i % 2)] * 8)] * 8))
    (where / "001a.txt").write_bytes(b"no")
    (where / "999.txt").write_bytes(b"")
    return where


def stream(paths: list[Path], classifier_folder: Path, **more: Any) -> list[Answered]:
    classifier = Classifier.load(classifier_folder)
    with make_scanners(classifier.settings.recipe) as scanners:
        return list(predict_files(find_files(paths), classifier, scanners, top=1, **more))


def test_many_files_are_answered_in_their_order(tmp_path: Path, predict: Predict) -> None:
    found = predict([write_many(tmp_path)])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [Path(p.file).name for p in found] == names
    read = [p.classes[0][0] for p in found if p.classes]
    assert read == ["dark", "light"] * 40


def test_a_batch_holds_as_many_pictures_as_the_network_takes(tmp_path: Path, classifier_folder: Path) -> None:
    """So a run that continues behind a batch answers the same batches as one that was not killed."""
    write_many(tmp_path)
    whole = stream([tmp_path], classifier_folder)
    ends = [place + 1 for place, one in enumerate(whole) if one.ends_batch]
    assert ends == [33, 65, 82]  # 32 pictures and a text; 32; 16 and a text
    for end in ends:
        rest = stream([tmp_path], classifier_folder, skip=end)
        assert [one.prediction for one in rest] == [one.prediction for one in whole[end:]]


def test_a_run_continues_in_any_of_several_places(tmp_path: Path, classifier_folder: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    (tmp_path / "many").mkdir()
    paths = [write_zip(tmp_path), tmp_path / "bad.zip", write_many(tmp_path / "many", 8)]
    whole = stream(paths, classifier_folder)
    assert len(whole) == 4 + 1 + 10
    for skip in range(len(whole) + 1):
        rest = stream(paths, classifier_folder, skip=skip)
        assert [one.prediction.file for one in rest] == [one.prediction.file for one in whole[skip:]]


def test_bytes_are_kept_for_what_lies_in_archives(tmp_path: Path, classifier_folder: Path) -> None:
    for paths, keeps in (([write_zip(tmp_path)], True), ([write_folder(tmp_path)], False)):
        answered = stream(paths, classifier_folder, keeps_bytes=True)
        held = {one.asked.entry.name: one.asked.data for one in answered if one.asked.entry}
        assert held["b/black.png"] == (FILES["b/black.png"] if keeps else b"")


def test_an_archive_that_breaks_off_costs_only_what_follows(tmp_path: Path, classifier_folder: Path) -> None:
    """As where a network disk goes away: what was listed cannot be read any more."""
    path = write_zip(tmp_path)
    found = find_files([path])
    classifier = Classifier.load(classifier_folder)
    whole = path.read_bytes()
    path.unlink()
    with make_scanners(classifier.settings.recipe) as scanners:
        answered = list(predict_files(found, classifier, scanners, top=1))
        assert [str(one.prediction.refusal).partition(":")[0] for one in answered] == ["unreadable"] * 4
        path.write_bytes(whole)
        again = list(predict_files(found, classifier, scanners, top=1))
    assert [bool(one.prediction.classes) for one in again] == [True, False, True, False]


def test_facts_come_with_each_picture(tmp_path: Path, classifier_folder: Path) -> None:
    many = stream([write_many(tmp_path / "many")], classifier_folder, facts_every=10, skip=33)
    measured = [one.prediction.file[-7:] for one in many if one.facts]
    assert measured == ["039.png", "049.png", "059.png", "069.png", "079.png"]
    assert not any(one.facts for one in stream([tmp_path / "many"], classifier_folder, facts_every=0))
    (one,) = stream([write_folder(tmp_path) / "a"], classifier_folder)
    assert one.facts
    assert (one.facts["format"], one.facts["width"], one.facts["brightness"]) == ("PNG", 8, 1.0)


def test_a_damaged_archive_is_listed(tmp_path: Path, predict: Predict) -> None:
    (tmp_path / "scans.zip").write_bytes(b"PK no")
    (prediction,) = predict([tmp_path / "scans.zip"])
    assert prediction.file == str(tmp_path / "scans.zip")
    assert prediction.refusal
    assert prediction.refusal.reason == "unreadable"
    assert prediction.refusal.detail.endswith(
        "scans.zip cannot be read: File is not a zip file; get a complete copy"
    )
