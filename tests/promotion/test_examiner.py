"""The exam of a version, with a real registry; the tables are made here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.promotion.artefact import Trial
from pipeline.promotion.examiner import USE_TAG, examine
from pipeline.promotion.gate import Decision
from pipeline.promotion.state import State
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.learnt import LEARNT
from pipeline.tables.parquet import write_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tables.split import SPLIT
from pipeline.tables.started_from import STARTED_FROM
from pipeline.tracking import registry, rows
from pipeline.tracking.decisions import CHAMPION_TAG, VERDICT_TAG
from pipeline.tracking.packaging import EXAM, LEARNT_FILE
from pipeline.tracking.runs import create_run
from tests.tracking.test_registry import add

if TYPE_CHECKING:
    from mlflow import MlflowClient

TEST = [f"test-{number:03d}" for number in range(200)]
LEARNED = [f"learned-{number:03d}" for number in range(50)]
SAME = {"learned-000": "test-000", "old-001": "test-001", "test-003": "test-002"}  # near-duplicates


@pytest.fixture(autouse=True)
def experiments(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Experiments of this test's own."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"examiner {request.node.name}")


@dataclass
class Project:
    """A state of few tables, and a registry with versions of it."""

    client: "MlflowClient"
    root: Path
    folder: Path
    params: Params
    name: str
    val_accuracy: float = 0.5

    def build_state(self, n_right: int) -> State:
        """The state of a model that answers so many test pictures right."""
        paths = Paths(self.folder / f"state-{n_right}")
        write_answers(n_right, paths.predictions, paths.classes)
        kept = [{"id": id_, "duplicate_group": SAME.get(id_, id_)} for id_ in [*TEST, *LEARNED, "old-001"]]
        write(kept, CLEAN_MANIFEST, paths.clean_manifest)
        parts = [{"id": id_, "split": "test"} for id_ in TEST] + [
            {"id": i, "split": "train"} for i in LEARNED
        ]
        write(parts, SPLIT, paths.split)
        write([], STARTED_FROM, paths.started_from)
        write_json(self.describe_training(n_right), paths.metrics("train"))
        return State(paths.root, paths, None, self.params)  # type: ignore[arg-type]

    def describe_training(self, n_right: int) -> dict[str, float]:
        return {"n_parameters": 1000 - n_right, "val_accuracy": self.val_accuracy}

    def promote(
        self, n_right: int, *, crown: bool = False, is_finished: bool = True, trial: Trial | None = None
    ) -> Decision:
        """Register such a model, examine it, record the decision; then crown it."""
        row = create_run(self.client, self.root, "row", row=True, tags={rows.STATE_TAG: "state"})
        version = add(self.client, self.name, f"md5 {n_right}", row.run_id)
        exam = self.folder / f"model-{n_right}" / "artifacts" / EXAM
        write_answers(n_right, exam / "predictions.parquet", exam / "classes.json")
        write([{"id": "old-001"}], LEARNT, exam / LEARNT_FILE)
        self.client.log_model_artifacts(version.model_id, str(exam.parents[1]))
        decision, before = examine(self.client, self.name, version, self.build_state(n_right), trial)
        row.set_tags({USE_TAG: decision.use.as_text() if decision.use else ""})
        named = {"model_name": self.name, "version": version.number, "champion_before": before}
        rows.record(row, decision.as_dict() | named, "note")
        row.log_metrics(self.describe_training(n_right))
        if is_finished:
            row.finish("FINISHED")
        if crown:
            registry.crown(self.client, self.name, version.number)
        return decision


def write(values: list[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    """A table whose other columns are empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pa.Table.from_pylist(values, schema=schema), path)


def write_json(values: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def write_answers(n_right: int, predictions: Path, classes: Path) -> None:
    answers = [
        {"id": id_, "y_true": place % 2, "y_pred": (place + (place >= n_right)) % 2}
        for place, id_ in enumerate(TEST)
    ]
    write(answers, PREDICTIONS, predictions)
    write_json(["cat", "dog"], classes)


@pytest.fixture
def project(
    client: "MlflowClient",
    tracking_root: Path,
    tmp_path: Path,
    params_of: Callable[..., Params],
    request: pytest.FixtureRequest,
) -> Callable[..., Project]:
    def make(**promote: Any) -> Project:
        params = params_of(promote=promote, evaluate={"slices": False})
        return Project(client, tracking_root, tmp_path, params, request.node.name.partition("[")[0])

    return make


Make = Callable[..., Project]


def read_exam(decision: Decision) -> Mapping[str, Any]:
    assert decision.exam is not None
    return decision.exam


def test_the_first_then_a_better_one_then_itself(project: Make) -> None:
    chain = project()
    assert chain.promote(150, crown=True).against == "floors"
    better = chain.promote(190)
    assert (better.verdict, better.against) == ("PROMOTE", "champion")
    assert chain.promote(150).reasons == ("this model is the champion already",)


def test_what_either_model_learned_from_is_left_out(project: Make) -> None:
    """The challenger learned from a copy of test-000; the champion, of test-001."""
    chain = project()
    chain.promote(150, crown=True)
    decision = chain.promote(190)
    assert (decision.n_common, decision.n_left_out) == (198, 2)
    assert read_exam(decision)["n_groups"] == 197, "test-002 and test-003 are near-duplicates"


def test_only_distinct_decisions_that_were_carried_out_are_counted(project: Make) -> None:
    chain = project()
    chain.promote(150, crown=True)
    numbers = [read_exam(chain.promote(n_right))["decisions"] for n_right in (152, 153, 152, 154)]
    assert numbers == [1, 2, 1, 3]
    chain.promote(155, is_finished=False)
    assert read_exam(chain.promote(156))["decisions"] == 4


def test_another_registered_model_counts_by_itself(project: Make) -> None:
    chain = project()
    chain.promote(150, crown=True)
    chain.promote(152)
    chain.name += " two"
    chain.promote(150, crown=True)
    assert read_exam(chain.promote(152))["decisions"] == 1


def test_the_smaller_of_two_equal_ones_is_preferred(project: Make) -> None:
    chain = project(prefer="smaller")
    chain.promote(150, crown=True)
    decision = chain.promote(151)
    assert decision.verdict == "PROMOTE"
    assert "849 weights against 850" in decision.reasons[0]


def test_a_champion_whose_answers_are_gone_is_said(project: Make) -> None:
    chain = project()
    chain.promote(150, crown=True)
    champion = registry.find_champion(chain.client, chain.name)
    assert champion is not None
    chain.client.delete_logged_model(champion.model_id)
    assert "are gone from MLflow" in chain.promote(190).reasons[0]


def test_a_registered_model_that_does_not_answer_is_rejected_first_of_all(project: Make) -> None:
    chain = project()
    broken = Trial(n=8, fault="it answers otherwise", cpu_ms=float("nan"), megabytes=1)
    assert chain.promote(150, trial=broken).verdict == "REJECT"
    chain.promote(151, crown=True)
    decision = chain.promote(190, trial=broken)
    assert decision.verdict == "REJECT"
    assert decision.reasons[0] == "the registered model cannot be used as it is: it answers otherwise"
    assert "0.9495 against 0.7525" in decision.reasons[1], "the exam is shown all the same"


def test_a_model_that_waits_and_did_better_in_validation_comes_first(project: Make) -> None:
    chain = project()
    chain.promote(150, crown=True)
    chain.val_accuracy = 0.9
    assert chain.promote(151).verdict == "HOLD"
    chain.val_accuracy = 0.8
    held = chain.promote(190)
    assert held.verdict == "HOLD"
    (waiting,) = rows.find_runs(chain.client, row=True, tag=VERDICT_TAG, value="HOLD")[1:]
    chain.client.set_tag(waiting.info.run_id, CHAMPION_TAG, "former")  # it was forced, and rolled back
    assert chain.promote(192).verdict == "PROMOTE"
    chain.client.delete_tag(waiting.info.run_id, CHAMPION_TAG)
    assert held.reasons[0].startswith("row is held on the same test images and did better in validation")
    assert "0.9000 against 0.8000" in held.reasons[0]
    chain.val_accuracy = 0.95
    assert chain.promote(191).verdict == "PROMOTE"


def test_each_model_for_itself_where_that_is_asked(project: Make) -> None:
    chain = project(candidate="every")
    chain.promote(150, crown=True)
    chain.val_accuracy = 0.9
    chain.promote(151)
    chain.val_accuracy = 0.8
    assert chain.promote(190).verdict == "PROMOTE"
