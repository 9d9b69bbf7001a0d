"""A run over many files: noted batch by batch, counted, and continued where it was cut."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.serving import answering
from pipeline.serving.answering import Answers, answer_files
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import make_scanners
from pipeline.serving.drift import Drift
from pipeline.serving.files import find_files
from pipeline.serving.folders import Folders, Places
from pipeline.serving.journal import Journal, Origin, open_journal
from pipeline.serving.training_facts import TrainingFacts, summarise_facts

ORIGIN = Origin("m", "o", "f")
FACTS = TrainingFacts(summarise_facts({"brightness": [i / 100 for i in range(100)]}), 100, 0, 1)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(70):
        (folder / f"{number:02d}.png").write_bytes(encode_grey_png([bytes([number * 3]) * 8] * 8))
    (folder / "10.txt").write_bytes(b"no")
    return folder


def make(tmp_path: Path) -> Answers:
    return Answers(drift=Drift(FACTS), folders=Folders(Places({"dark": tmp_path / "dark"})))


def take(
    scans: Path, folder: Path, answers: Answers, journal: Journal | None, n: int | None = None
) -> list[dict[str, Any]]:
    classifier = Classifier.load(folder)
    with make_scanners(classifier.settings.recipe) as scanners:
        rows = answer_files(find_files([scans]), classifier, scanners, answers, top=2, journal=journal)
        return [row for _, row in zip(range(n or 1000), rows, strict=False)]


def test_a_run_that_was_cut_anywhere_ends_with_the_same_rows_counts_and_drift(
    scans: Path, tmp_path: Path, classifier_folder: Path
) -> None:
    whole = make(tmp_path)
    rows = take(scans, classifier_folder, whole, None)
    assert len(rows) == len(whole.tally) == 71
    assert whole.tally.n_unread == 1
    for n in (1, 33, 34, 66, 71):
        path = tmp_path / f"{n}.part"
        with open_journal(path, None, ORIGIN) as journal:
            take(scans, classifier_folder, make(tmp_path), journal, n)
        with open_journal(path, None, ORIGIN) as journal:
            continued = make(tmp_path)
            continued.resume(journal)
            n_before = len(continued.tally)
            assert n_before == {1: 0, 33: 33, 34: 33, 66: 65, 71: 71}[n]
            more = take(scans, classifier_folder, continued, journal)
            assert len(more) == 71 - n_before
            assert list(journal.read_rows()) == rows
        assert continued.tally == whole.tally
        assert continued.state == whole.state


def test_of_very_many_files_some_are_measured(
    scans: Path, tmp_path: Path, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_MAX_MEASURED", 24)  # of 71: every third
    answers = make(tmp_path)
    take(scans, classifier_folder, answers, None)
    assert sum(answers.state["brightness"]) == 24
    plain = Answers()
    rows = take(scans, classifier_folder, plain, None)
    assert plain.state is None
    assert "placed" not in rows[0]
