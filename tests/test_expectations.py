"""The expectations over a manifest: what passes, what fails and how it is said; the same bytes each time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import expectations
from pipeline.tables import CLASSES, MANIFEST

Rows = list[dict[str, Any]]


def row(number: int, label: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": f"{number:064d}",
        "key": f"{label}/{number}.png",
        "label": label,
        "source_split": "",
        "n_bytes": 100,
        "format": "PNG",
        "width": 8,
        "height": 8,
        "mode": "L",
        "exif_orientation": None,
        "n_frames": 1,
        "brightness": 0.5,
        "contrast": 0.1,
        "verdict": "kept",
        "reason": "",
        "detail": "",
        "repairs": ["alpha"] if number % 2 else [],
    }
    return values | changes


def good_rows() -> Rows:
    return [row(i, "cat") for i in range(20)] + [row(i + 100, "fox") for i in range(10)]


def check(rows: Rows, docs: Path, labels: tuple[str, ...] = ("cat", "fox")) -> expectations.Report:
    n = {label: sum(r["label"] == label and r["verdict"] != "quarantined" for r in rows) for label in labels}
    classes = [
        {"label": label, "n_files": n[label], "n_readable": n[label], "share_of_largest": n[label] / 20}
        for label in labels
    ]
    return expectations.check(
        pa.Table.from_pylist(rows, schema=MANIFEST),
        pa.Table.from_pylist(classes, schema=CLASSES),
        formats=("PNG", "JPEG"),
        max_unreadable_share=0.1,
        min_images_per_class=5,
        min_class_share=0.4,
        docs=docs,
    )


def replaced(at: slice, **changes: Any) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        rows[at] = [one | changes for one in rows[at]]
        return rows

    return change


AWAY = {"verdict": "quarantined", "reason": "corrupt", "format": None}


@pytest.mark.parametrize(
    ("change", "critical", "warning"),
    [
        pytest.param(lambda rows: rows, "", "", id="good"),
        pytest.param(replaced(slice(0, 3), **AWAY), "", "", id="a tenth unreadable"),
        pytest.param(
            replaced(slice(0, 4), **AWAY),
            "At most 10.0% of the files .* got 4 of 30: cat/0.png, .*, set by validate.max_unreadable_share",
            "",
            id="more unreadable",
        ),
        pytest.param(
            replaced(slice(0, 2), key="cat/x"), "path of its own.*got 2 of 30: cat/x", "", id="keys"
        ),
        pytest.param(
            replaced(slice(0, 2), id="0" * 64),
            "",
            "same bytes.*got 2 of 30: cat/0.png, cat/1.png",
            id="copies",
        ),
        pytest.param(
            replaced(slice(0, 2), id=None, **AWAY), "", "", id="two files without bytes are no copies"
        ),
        pytest.param(
            replaced(slice(0, 1), verdict="lost"), "kept, repaired or quarantined", "", id="verdict"
        ),
        pytest.param(
            replaced(slice(0, 1), format="TGA"), "among PNG, JPEG.*validate.formats", "", id="format"
        ),
        pytest.param(
            lambda rows: rows[:24],
            "at least 5 readable images, got 1 of 2: fox 4 .*validate.min_images_per_class",
            "No class is smaller than 40.0%.*got 1 of 2: fox 0.2",
            id="a rare class",
        ),
        pytest.param(lambda rows: rows[:27], "", "No class is smaller", id="imbalance only warns"),
    ],
)
def test_what_fails_and_how_it_is_said(
    tmp_path: Path, change: Callable[[Rows], Rows], critical: str, warning: str
) -> None:
    report = check(change(good_rows()), tmp_path / "docs")
    for severity, pattern in (("critical", critical), ("warning", warning)):
        failed = [str(failure) for failure in report.failures if failure.severity == severity]
        assert len(failed) >= bool(pattern)
        if pattern:
            assert any(_found(pattern, text) for text in failed), failed
        else:
            assert failed == []


def _found(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    report = check(good_rows()[:20], tmp_path / "docs", labels=("cat",))
    assert ["at least two classes" in str(failure) for failure in report.failed("critical")] == [True]


def test_results_are_the_same_each_time_and_plain_json(tmp_path: Path) -> None:
    first, second = (
        json.dumps(check(good_rows()[:24], tmp_path / "docs").result, allow_nan=False) for _ in range(2)
    )
    assert first == second
    assert not any(word in first for word in ("run_id", "ge_load_time", '"id": ', "Traceback"))
    assert str(tmp_path) not in first


def test_docs_are_made_anew_and_say_what_was_expected(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "stale.html").write_text("")
    check(good_rows()[:24], docs)
    assert (docs / "index.html").is_file()
    assert not (docs / "stale.html").exists()
    pages = "".join(page.read_text() for page in docs.rglob("validations/**/*.html"))
    assert "Every class has at least 5 readable images" in pages
    assert "fox" in pages
    assert sum(path.is_file() for path in docs.rglob("*")) < 60
