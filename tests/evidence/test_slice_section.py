"""The section about slices: words, examples, a table; nothing bad is said of what luck explains."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.pictures import read_part
from pipeline.evidence.examination import Examination, Finding, examine
from pipeline.evidence.slice_section import show_slices
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.serving.classifier import Classifier
from pipeline.tables.parquet import build_table, read_table, write_table
from pipeline.tables.raw_manifest import RAW_MANIFEST

LIGHT, DARK = 230, 20
FACTS = {"format": "PNG", "width": 640, "height": 480, "brightness": 0.5}

Show = Callable[..., tuple[Finding, Paths]]


@pytest.fixture
def show(
    develop: Callable[..., Paths], classifier_folder: Path, params_of: Callable[..., Params], tmp_path: Path
) -> Show:
    """`show(y, facts)`: light pictures, which a real classifier calls class 0, with these facts of files."""

    def show(y: list[int], facts: list[dict[str, Any]], **changed: Any) -> tuple[Finding, Paths]:
        pictures = np.full((len(y), 8, 8, 1), LIGHT, np.uint8)
        paths = develop(tmp_path, pictures, y, ["test"] * len(y), ["light", "dark", "odd"])
        rows = read_table(paths.raw_manifest, RAW_MANIFEST).to_pylist()
        rows = sorted(rows, key=lambda row: str(row["id"]))
        whole = [row | FACTS | fact for row, fact in zip(rows, facts, strict=True)]
        write_table(build_table(whole, RAW_MANIFEST, sort_by="key"), paths.raw_manifest)
        test = read_part("test", split_path=paths.split, manifest_path=paths.clean_manifest)
        examined: Examination = examine(Classifier.load(classifier_folder), test, paths.shards)
        params = params_of(evaluate=changed).evaluate
        return show_slices(examined, paths, "", params), paths

    return show


def read_rows(paths: Paths) -> list[dict[str, str]]:
    with paths.slices.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_nothing_bad_is_said_of_what_is_the_fault_of_a_class(show: Show) -> None:
    """Class 0 is answered always, so all of class 1 is wrong, whatever its format."""
    y = [0] * 60 + [1] * 40
    facts = [{"width": 300 + i, "format": "TIFF" if i % 2 else "PNG"} for i in range(100)]
    finding, paths = show(y, facts)
    page = "\n".join(finding.lines)
    assert "none is worse by more than luck" in page, "all of class 1 is wrong, whatever its format"
    assert finding.metrics["slices/n_worse"] == 0
    assert finding.judgements[0].state == "good"
    assert "<figure>" not in page
    rows = read_rows(paths)
    assert {row["fact"] for row in rows} == {"file format", "shorter side", "width / height"}
    assert {row["is_worse"] for row in rows} == {"0"}


def test_worse_within_a_class(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    is_dark = np.arange(100) < 20
    monkeypatch.setattr(Examination, "is_right", ~is_dark)
    finding, paths = show([0] * 100, [{"format": "<TIFF>" if dark else "PNG"} for dark in is_dark])
    page = "\n".join(finding.lines)
    assert (
        "2 slices of the test pictures, each compared with others of its classes: <b>1 is worse</b>" in page
    )
    assert "<h3>file format: &lt;TIFF&gt;</h3>" in page
    assert "0.0% of 20 pictures are right (0.0% to 16.8%), of others of its classes 100.0%" in page
    assert page.count("<figure>") == 6
    assert "below 0.001 !" in page
    (worse,) = [row for row in read_rows(paths) if row["is_worse"] == "1"]
    assert (worse["slice"], worse["n_test"], worse["only_class"]) == ("<TIFF>", "20", "light")
    assert finding.metrics == {"slices/n_slices": 2, "slices/n_worse": 1}
    assert finding.judgements[0].state == "warning"
    assert finding.files == [paths.slices]


@pytest.mark.parametrize("n", [1, 40])
def test_nothing_to_compare(n: int, show: Show) -> None:
    finding, paths = show([0] * n, [{}] * n)
    assert finding.lines == [
        "<p>There is nothing to compare: the test pictures differ in no fact of their files.</p>"
    ]
    assert read_rows(paths) == []
    assert finding.judgements[0].state == "unknown", "so few pictures show nothing"


def test_switched_off(show: Show) -> None:
    finding, paths = show([0] * 40, [{"format": "TIFF" if i % 2 else "PNG"} for i in range(40)], slices=False)
    assert (finding.title, finding.metrics, list(finding.lines)) == ("", {}, [])
    assert read_rows(paths) == []
    assert (paths.figures("evaluate") / "slices.png").exists()
