"""The summary of a run: from the stages' files, whole or not there yet."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.summary import summarise
from pipeline.errors import DataError
from pipeline.paths import Paths
from pipeline.tracking.ledger import FIRST, ROLLBACK, FileLedger, Move, find_file
from pipeline.tracking.lineage import compute_md5

METRICS = {"accuracy": 0.97239, "accuracy_low": 0.95, "accuracy_high": 0.98889, "n_test": 1270}
DECISION = {
    "verdict": "PROMOTE",
    "reasons": ["accuracy 0.9724 beats 0.9", "floors passed"],
    "model_name": "darkroom",
    "version": 3,
    "more": {"that": "is not known"},
}


DAMAGED = (
    "{",
    "[]",
    "",
    "{}",
    '{"verdict": 5}',
    '{"verdict": "perhaps"}',
    '{"verdict": []}',
    '{"verdict": "HOLD", "reasons": 3}',
    '{"verdict": "HOLD", "reasons": [3]}',
    '{"verdict": "HOLD", "version": 3}',
)


@pytest.fixture
def root(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with the repository's params and a local database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(repo / "params.yaml", tmp_path)
    return tmp_path


def write_run(root: Path, metrics: Any = METRICS, decision: Any = DECISION) -> Paths:
    paths = Paths(root)
    for path, values in ((paths.metrics("evaluate"), metrics), (paths.decision, decision)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(values if isinstance(values, str) else json.dumps(values))
    return paths


def test_a_run_in_a_few_lines(root: Path) -> None:
    paths = write_run(root)
    for page in (paths.report, paths.data_docs / "index.html", paths.ready_docs / "index.html"):
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
    summary = summarise(paths)
    assert summary.pop("Keep").startswith("git add -A && git commit")
    assert summary == {
        "Collection": "what follows is of darkroom; params.yaml names digits now: run `dvc repro`",
        "Test accuracy": "97.2% (95.0% to 98.9%), on 1,270 pictures",
        "Promotion": "PROMOTE darkroom version 3: accuracy 0.9724 beats 0.9; floors passed",
        "Open": "data/evaluate/report.html",
        "Also": "data/validate/docs/index.html, data/clean/docs/index.html",
        "Mistakes": "darkroom mistakes",
        "Compare": "darkroom compare, or darkroom ui",
    }


def test_a_champion_that_is_another_model_is_named(root: Path) -> None:
    file = find_file(root)
    assert file
    file.parent.mkdir()
    ledger = FileLedger(file)
    ledger.append(Move("darkroom", None, 3, FIRST, "reaches promote.floors"))
    ledger.append(Move("another", None, 1, FIRST, "reaches promote.floors"))
    assert "Champion" not in summarise(write_run(root))
    ledger.append(Move("darkroom", 3, 2, ROLLBACK, "it took screenshots for text"))
    said = summarise(write_run(root))["Champion"]
    when, why = said.split(" (", 1)
    assert re.fullmatch(r"version 2, since \d{4}-\d\d-\d\d", when)
    assert why == "ROLLBACK: it took screenshots for text); darkroom registry history"


def test_what_the_stages_know_becomes_a_suggestion(root: Path) -> None:
    paths = write_run(root, METRICS | {"n_test": 18})
    found = {"metadata_accuracy": 0.975, "metadata_chance": 0.2, "residual_accuracy": 1}
    paths.metrics("split").parent.mkdir(parents=True)
    paths.metrics("split").write_text(json.dumps(found), encoding="utf-8")
    summary = summarise(paths)
    said = "file facts alone 97.5%, developed pictures' facts 100.0% (chance 20.0%)"
    assert summary["Shortcuts"] == said
    first, second = summary["Try next"].splitlines()
    assert first.startswith(
        "file facts alone give away the class of 98% of the pictures: `clean.equalise: 75`"
    )
    assert second == (
        "18 test pictures cannot decide whether to replace a champion (promote.min_common_images: 30): add "
        "pictures, or raise split.test before there is one"
    )


@pytest.mark.parametrize(
    ("metrics", "decision", "heading", "text"),
    [
        pytest.param({"accuracy": 0.5}, DECISION, "Test accuracy", "50.0%", id="no-interval"),
        pytest.param(
            {"accuracy": 1, "n_test": 1}, DECISION, "Test accuracy", "100.0%, on 1 picture", id="one-picture"
        ),
        pytest.param({}, DECISION, "Test accuracy", "not measured", id="no-accuracy"),
        pytest.param(METRICS, {"verdict": "HOLD"}, "Promotion", "HOLD", id="no-version-and-no-reasons"),
    ],
)
def test_what_is_missing_is_left_out(
    metrics: Any, decision: Any, heading: str, text: str, root: Path
) -> None:
    assert summarise(write_run(root, metrics, decision))[heading] == text


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        pytest.param(Paths(Path()).metrics("evaluate"), "data/evaluate/metrics.json", id="nothing-run"),
        pytest.param(Paths(Path()).decision, "data/promote/decision.json", id="run-not-finished"),
    ],
)
def test_before_a_run_it_says_what_to_run(missing: Path, name: str, root: Path) -> None:
    write_run(root)
    (root / missing).unlink()
    with pytest.raises(DataError, match=f"^{re.escape(name)} does not exist; run `dvc repro`$"):
        summarise(Paths(root))


@pytest.mark.parametrize("stage", ["evaluate", "split"])
def test_a_folder_in_place_of_a_file_is_told(stage: str, root: Path) -> None:
    path = write_run(root).metrics(stage)
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)
    with pytest.raises(DataError, match=rf"^data/{stage}/metrics\.json cannot be read: a folder lies where"):
        summarise(Paths(root))


@pytest.mark.parametrize("text", ["{", "[]", "", '{"accuracy": "high"}', '{"accuracy": null}'])
def test_a_damaged_file_is_told(text: str, root: Path) -> None:
    with pytest.raises(DataError, match=r"metrics\.json is damaged; run `dvc repro`"):
        summarise(write_run(root, text))


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_decision_is_told(text: str, root: Path) -> None:
    with pytest.raises(DataError, match=r"^data/promote/decision\.json is damaged; run `dvc repro`$"):
        summarise(write_run(root, decision=text))


def test_a_decision_about_other_scores_is_not_shown(root: Path) -> None:
    """After `dvc repro evaluate` the decision of before still lies there."""
    paths = write_run(root)
    paths.classifier.mkdir(parents=True)
    files = (paths.classifier, paths.metrics("evaluate"), paths.decision)
    deps = [{"path": one.relative_to(root).as_posix(), "md5": compute_md5(one)} for one in files]
    paths.dvc_lock.write_text(json.dumps({"stages": {"promote": {"deps": deps, "outs": []}}}))
    assert summarise(paths)["Promotion"].startswith("PROMOTE")
    paths.metrics("evaluate").write_text(json.dumps({"accuracy": 0.1}))
    assert summarise(paths)["Promotion"] == "not yet; run `dvc repro`"
