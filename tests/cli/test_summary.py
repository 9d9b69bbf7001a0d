"""The summary of a run: from the stages' files, whole or not there yet."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.summary import summarise
from pipeline.errors import DataError
from pipeline.paths import Paths

METRICS = {"accuracy": 0.97239, "accuracy_low": 0.95, "accuracy_high": 0.98889, "n_test": 1270}
DECISION = {
    "verdict": "PROMOTE",
    "reasons": ["accuracy 0.9724 beats 0.9", "floors passed"],
    "model_name": "darkroom",
    "version": 3,
    "more": {"that": "is not known"},
}


def write_run(root: Path, metrics: Any = METRICS, decision: Any = DECISION) -> Paths:
    paths = Paths(root)
    for path, values in ((paths.metrics("evaluate"), metrics), (paths.decision, decision)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(values if isinstance(values, str) else json.dumps(values))
    return paths


def test_a_run_in_a_few_lines(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    for folder in (paths.figures("evaluate"), paths.figures("augment"), paths.data_docs):
        folder.mkdir(parents=True)
    (paths.data_docs / "index.html").touch()
    assert summarise(paths) == {
        "Test accuracy": "97.2% (95.0% to 98.9%), on 1,270 pictures",
        "Promotion": "PROMOTE darkroom version 3: accuracy 0.9724 beats 0.9; floors passed",
        "Pictures": "data/augment/figures/, data/evaluate/figures/",
        "Data report": "data/validate/docs/index.html",
        "Compare in MLflow": "make ui",
    }


def test_both_data_reports_are_named(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    for folder in (paths.data_docs, paths.ready_docs):
        folder.mkdir(parents=True)
        (folder / "index.html").touch()
    said = "data/validate/docs/index.html, data/clean/docs/index.html"
    assert summarise(paths)["Data report"] == said


def test_what_the_shortcut_audit_found_is_a_line(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    found = {"metadata_accuracy": 0.975, "metadata_chance": 0.2, "residual_accuracy": 1}
    paths.metrics("split").parent.mkdir(parents=True)
    paths.metrics("split").write_text(json.dumps(found), encoding="utf-8")
    said = "file facts alone 97.5%, developed pictures' facts 100.0% (chance 20.0%)"
    assert summarise(paths)["Shortcuts"] == said


@pytest.mark.parametrize(
    ("metrics", "decision", "heading", "text"),
    [
        pytest.param({"accuracy": 0.5}, DECISION, "Test accuracy", "50.0%", id="no-interval"),
        pytest.param({}, DECISION, "Test accuracy", "not measured", id="no-accuracy"),
        pytest.param(METRICS, {"verdict": "HOLD"}, "Promotion", "HOLD", id="no-version-and-no-reasons"),
        pytest.param(METRICS, DECISION, "Pictures", "none", id="no-pictures"),
    ],
)
def test_what_is_missing_is_left_out(
    metrics: Any, decision: Any, heading: str, text: str, tmp_path: Path
) -> None:
    assert summarise(write_run(tmp_path, metrics, decision))[heading] == text


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        pytest.param(Paths(Path()).metrics("evaluate"), "data/evaluate/metrics.json", id="nothing-run"),
        pytest.param(Paths(Path()).decision, "data/promote/decision.json", id="run-not-finished"),
    ],
)
def test_before_a_run_it_says_what_to_run(missing: Path, name: str, tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(DataError, match=f"^{re.escape(name)} does not exist; run `dvc repro`$"):
        summarise(Paths(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_file_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metrics\.json is damaged; run `dvc repro`"):
        summarise(write_run(tmp_path, text))
