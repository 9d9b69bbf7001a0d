"""The exam of a registered version: what it takes is read from the state and from MLflow."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.evidence.exams import Exam, read_exam
from pipeline.evidence.slices import Fact
from pipeline.json_file import read_json
from pipeline.params import PromoteParams
from pipeline.promotion.budget import Use
from pipeline.promotion.exam import Known, accept_first, compare, confirm_champion, miss_champion
from pipeline.promotion.gate import Decision
from pipeline.promotion.state import State
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.learnt import LEARNT
from pipeline.tables.parquet import read_table
from pipeline.tables.split import SPLIT
from pipeline.tracking import registry, rows
from pipeline.tracking.decisions import parse_decision
from pipeline.tracking.runs import search_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

USE_TAG = "promote.test_set"  # of a row whose decision compared two models: which ones, on which pictures


def examine(
    client: "MlflowClient", model_name: str, version: registry.Version, params: PromoteParams, state: State
) -> tuple[Decision, int | None]:
    """The decision about a version, and the number of the champion that it was compared with."""
    before = registry.find_champion(client, model_name)
    exam = read_exam(state.paths.predictions, state.paths.classes)
    if before is None:
        return accept_first(exam, params), None
    if before.number == version.number:
        return confirm_champion(exam, params), before.number
    with tempfile.TemporaryDirectory() as scratch:
        found = registry.fetch_exam(client, before, Path(scratch))
        if found is None:
            return miss_champion(exam, before.number, params), before.number
        known = _gather(client, (version, before), exam, state, Path(scratch))
        known = replace(known, uses=tuple(_list_uses(client, model_name)))
        return compare(exam, read_exam(*found), known, params), before.number


def _gather(
    client: "MlflowClient",
    versions: tuple[registry.Version, registry.Version],
    exam: Exam,
    state: State,
    scratch: Path,
) -> Known:
    """What is known beside the answers of the two versions, the new one first."""
    version, champion = versions
    clean = read_table(state.paths.clean_manifest, CLEAN_MANIFEST)
    split = read_table(state.paths.split, SPLIT)
    learnt = set(split.filter(pa.compute.not_equal(split["split"], "test"))["id"].to_pylist())
    if file := registry.fetch_learnt(client, champion, scratch):
        learnt |= set(read_table(file, LEARNT)["id"].to_pylist())
    return Known(
        groups=dict(zip(clean["id"].to_pylist(), clean["duplicate_group"].to_pylist(), strict=True)),
        learnt=learnt,
        facts=_read_facts(exam, state),
        models=(version.model_md5, champion.model_md5),
        sizes=(_count_weights(state), registry.read_metric(client, champion, "n_parameters")),
    )


def _read_facts(exam: Exam, state: State) -> list[Fact]:
    """The facts by which slices are cut; none where `evaluate.slices` wants none."""
    if not state.params.evaluate.slices:
        return []
    # Here: it imports pandas, which a repro with nothing to do has no use for.
    from pipeline.evidence.slice_facts import read_facts

    paths, split = state.paths, state.params.split
    of_sources = split.fold_by or split.group_by
    manifests = {"raw_manifest": paths.raw_manifest, "clean_manifest": paths.clean_manifest}
    return read_facts(exam.ids.tolist(), **manifests, group_by=of_sources)


def _count_weights(state: State) -> float | None:
    found: float | None = read_json(state.paths.metrics("train"), "train").get("n_parameters")
    return found


def _list_uses(client: "MlflowClient", model_name: str) -> Iterator[Use]:
    """The comparisons of models of this name, oldest first. A row that was deleted is forgotten."""
    found = search_runs(client, "attributes.status = 'FINISHED'", row=True)
    for run in sorted(found, key=lambda run: str(run.data.tags.get(rows.RECORDED_TAG, ""))):
        decision = parse_decision(run.data.tags)
        use = Use.from_text(run.data.tags.get(USE_TAG, ""))
        if decision and use and decision["model_name"] == model_name:
            yield use
