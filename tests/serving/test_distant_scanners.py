"""Files decoded on a cluster: the answers of one machine, though a machine dies or cannot read a file."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import SourceError, WorkersError
from pipeline.images.scanning import Scanned
from pipeline.refusals import Refusal
from pipeline.serving import distant_scanners
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import make_scanners
from pipeline.serving.distant_scanners import DistantScanners, Found
from pipeline.serving.files import find_files
from pipeline.serving.predictions import Answered, predict_files
from pipeline.sources import Container, Content
from pipeline.workers.ray_map import map_on_cluster
from tests.ray_cluster import Cluster, choose_cluster, find_port

Read = Callable[..., Iterator[Content]]


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A folder, named from where it is, a zip, a tar and a damaged zip; some files are no pictures."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    folder.mkdir()
    for i in range(70):
        shade = 250 * (i % 2) + i % 5
        (folder / f"{i:02}.png").write_bytes(
            encode_grey_png([bytes([shade]) * 8] * 8)[: 60 if i == 7 else None]
        )
    (folder / "10a.txt").write_bytes(b"no")
    for kind in ("zip", "tar"):
        shutil.make_archive("scans", kind, folder)
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    return ["scans", "scans.zip", "scans.tar", "bad.zip", "scans/03.png"]


def stream(paths: list[str], scanners: Any, folder: Path, **options: Any) -> list[tuple[Any, ...]]:
    classifier = Classifier.load(folder)
    with scanners(classifier.settings.recipe) as made:
        found = predict_files(find_files(paths), classifier, made, top=2, facts_every=3, **options)
        return [describe(one) for one in found]


def describe(one: Answered) -> tuple[Any, ...]:
    return one.prediction, one.facts, one.ends_batch, one.asked.data


@pytest.mark.slow
@pytest.mark.parametrize("keeps_bytes", [False, True])
def test_a_cluster_answers_as_one_machine_though_a_machine_dies(
    cluster: Cluster,
    scans: list[str],
    classifier_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    keeps_bytes: bool,
) -> None:
    expected = stream(scans, make_scanners, classifier_folder, keeps_bytes=keeps_bytes)
    mortal = cluster.start_node()

    def lose(*args: Any, **options: Any) -> Iterator[Any]:
        for i, one in enumerate(map_on_cluster(*args, **options, chunk_items=5)):
            yield one
            if i == 40:
                cluster.kill_node(mortal)

    monkeypatch.setattr(distant_scanners, "map_on_cluster", lose)
    assert stream(scans, DistantScanners, classifier_folder, keeps_bytes=keeps_bytes) == expected
    assert mortal.poll() is not None


def test_what_cannot_be_read_there_is_refused_in_its_place(
    scans: list[str], classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So batches are cut where one machine cuts them."""
    gone = {"scans/05.png", "scans/69.png"}
    refusal = Refusal("unreadable", "gone")
    original = Container.read

    def read(self: Any, entries: Any, recall: Any = None) -> Iterator[Content]:
        for one in original(self, entries, recall):
            yield Content(one.entry, b"", refusal) if f"scans/{one.entry.name}" in gone else one

    with monkeypatch.context() as patch:
        patch.setattr(Container, "read", read)
        expected = stream(["scans"], make_scanners, classifier_folder)

    def scan(self: DistantScanners, items: Any) -> Iterator[tuple[Any, Found]]:
        for (ticket, unread), (_, wanted) in items:
            (content,) = unread.container.read([unread.entry])
            if ticket[1].name in gone:
                yield ticket, Found(Scanned(refusal=refusal), is_read=False)
            else:
                yield ticket, Found(self._function((content.data, wanted)), is_read=True)

    monkeypatch.setattr(DistantScanners, "map", scan)
    assert stream(["scans"], DistantScanners, classifier_folder) == expected
    assert [one[0].file for one in expected if one[0].refusal == refusal] == sorted(gone)


@pytest.mark.slow
def test_a_machine_that_does_not_see_the_files_is_named(
    cluster: Cluster, scans: list[str], classifier_folder: Path, tmp_path: Path
) -> None:
    found = find_files(scans)
    (tmp_path / "scans").rename(tmp_path / "moved")
    classifier = Classifier.load(classifier_folder)
    scanners = DistantScanners(classifier.settings.recipe)
    with pytest.raises(SourceError, match=r"scans is not there on \S+; every machine"):
        list(predict_files(found, classifier, scanners, top=1))


def test_a_cluster_that_is_away_is_one_line(classifier_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_cluster(f"127.0.0.1:{find_port()}", monkeypatch)
    with pytest.raises(WorkersError, match=r"the Ray cluster at 127\.0\.0\.1:\d+ does not answer"):
        DistantScanners(Classifier.load(classifier_folder).settings.recipe).start()


@pytest.mark.slow
def test_tensorflow_does_not_change_what_the_machines_must_have(classifier_folder: Path) -> None:
    code = f"""
from pathlib import Path
from pipeline.images.computation import describe_machine
from pipeline.serving.distant_scanners import DistantScanners
from pipeline.serving.settings import read_settings
DistantScanners(read_settings(Path({str(classifier_folder)!r})).recipe)
import tensorflow
print(describe_machine()["zlib"])
"""
    alone = "from PIL import features; print(features.version('zlib'))"
    said = [
        subprocess.run([sys.executable, "-c", one], check=True, capture_output=True, text=True).stdout
        for one in (code, alone)
    ]
    assert said[0] == said[1]
