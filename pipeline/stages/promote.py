"""promote: complete the state's one row in MLflow, and let the better model become champion.

Reads   dvc.lock, every stage's metrics and pictures, data/train/classifier,
        data/evaluate/predictions.parquet, the registry.
Writes  data/promote/decision.json; a row in MLflow; a model version; the alias `champion` on PROMOTE.
Run     always (DVC may have restored everything else from its cache). If MLflow already holds the whole
        state, nothing changes, and its decision is written again as it was made.
Cost    about 10 s for a new state, mostly importing MLflow and copying the model; well under 1 s otherwise.
"""

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PromotionError, one_line
from pipeline.params import Params, PromoteParams
from pipeline.params_file import check_params
from pipeline.paths import Paths, read_json
from pipeline.promotion.exam import compare, confirm_champion, miss_champion, read_exam
from pipeline.runner import Metrics, run_stage
from pipeline.storage import is_leftover, write_whole
from pipeline.tracking import registry, rows
from pipeline.tracking.connection import connect
from pipeline.tracking.lineage import UPSTREAM, Lineage
from pipeline.tracking.packaging import EXAM, LoggedModel, log_model
from pipeline.tracking.runs import ENTRY_TAG, STAGE_TAG, Run, Tracked, create_run, end_killed_runs
from pipeline.training.history import read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

_N_TRIES, _PAUSE_S = 4, 1.0  # where other people promote at the same time

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """A dvc.lock state in copies that are what dvc.lock recorded: what is edited now is of the next state.

    Attributes:
        root: of the project.
        paths: of the copies.
        lineage: of the copied dvc.lock.
        params: what the stages ran with, and the current `promote`.
    """

    root: Path
    paths: Paths
    lineage: Lineage
    params: Params


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Find the state's row, or make it; write its decision either way."""
    lineage = Lineage(paths)
    digest = lineage.hash_state()
    lineage.check_files()
    decision = rows.read_decision(paths.root, digest)
    if decision is None:
        client = connect(paths.root)
        with rows.lock_rows(client, paths.root), tempfile.TemporaryDirectory() as scratch:
            decision = rows.read_decision(paths.root, digest)  # another process may have made it since
            if decision is None:
                state = copy_state(paths, lineage, Path(scratch) / "state")
                decision = _make_row(client, state, params.promote, digest)
    else:
        _log.info("this state is in MLflow already, nothing to do: %s", _describe(decision))
    with write_whole(paths.decision) as temporary:
        temporary.write_text(json.dumps(decision, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return _measure(decision)


def copy_state(paths: Paths, lineage: Lineage, into: Path) -> State:
    """Copy all that a row is made of, and compare the copies with dvc.lock.

    Raises:
        PromotionError: one is not what dvc.lock recorded, or cannot be copied.
    """
    names = {str(path.relative_to(paths.root)) for path in _list_contents(paths)}
    made = {path for stage in UPSTREAM for path in lineage.list_outs(stage)} & names
    for name in (*made, paths.dvc_yaml.name, paths.dvc_lock.name, paths.params.name):
        source, target = paths.root / name, into / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=lambda _, found: list(filter(is_leftover, found)))
            else:
                shutil.copy(source, target)
        except OSError as error:
            raise PromotionError(f"{name} cannot be copied to {into}: {one_line(error)}") from None
    copied = Lineage(Paths(into))
    copied.check_copies(lineage, made)
    params = check_params(lineage.list_used_params(), paths.dvc_lock.name)
    return State(paths.root, Paths(into), copied, params)


def _list_contents(paths: Paths) -> list[Path]:
    """What a row is made of, as far as a stage has made it."""
    of_stages = [path for stage in UPSTREAM for path in (paths.metrics(stage), paths.figures(stage))]
    tables = [paths.raw_manifest, paths.clean_manifest, paths.split]
    return [*of_stages, *tables, *_list_artifacts(paths), paths.classifier]


def _list_artifacts(paths: Paths) -> list[Path]:
    checked = (paths.expectations, paths.ready_expectations)
    return [paths.classes, paths.history, paths.predictions, paths.confusion, *checked]


def _make_row(client: "MlflowClient", state: State, params: PromoteParams, digest: str) -> dict[str, Any]:
    """Make the row of a new state: everything it holds, the model, the exam, the decision.

    The decision is recorded before it is carried out, so a kill at any point is mended by the next promotion.
    """
    end_killed_runs(client)
    name = os.environ.get("DVC_EXP_NAME") or f"state-{digest[:8]}"
    with rows.open_row(client, state.root, name, digest) as row:
        row.log_params(state.params.flatten())
        model = _log_model(client, row, state)
        _fill(row, model, state)
        _link_stages(client, row, state)
        version = registry.register_version(client, params.model_name, model=model, run_id=row.run_id)
        for _ in range(_N_TRIES):
            decision = _examine(client, version, params, state.paths)
            row.log_metrics({f"promote/{name}": value for name, value in _measure(decision).items()})
            rows.record(row, decision, _describe(decision))
            elected, decision = rows.elect(client, digest)
            if rows.carry_out(client, elected, decision):
                break
            time.sleep(_PAUSE_S)
        else:
            rows.withdraw(client, row.run_id)
            raise PromotionError(
                f"the champion of {params.model_name} changed {_N_TRIES} times while this model was compared "
                "with it; run `dvc repro` again"
            )
        if elected != row.run_id:
            rows.withdraw(client, row.run_id)
    _log.info("%s", _describe(decision))
    return decision


def _fill(row: Tracked, model: LoggedModel, state: State) -> None:
    """Log all that the stages left, so the row is whole even if every stage came from cache."""
    paths = state.paths
    for stage in UPSTREAM:
        metrics = {f"{stage}/{name}": value for name, value in _read_metrics(paths, stage).items()}
        row.log_metrics(metrics, model_id=model.id if stage == "evaluate" else None)
        if paths.figures(stage).is_dir():
            row.log_artifact(paths.figures(stage), f"{stage}/figures")
    for point in read_history(paths.history):
        step = int(point.pop("epoch"))
        row.log_metrics({f"curve/{name}": value for name, value in point.items()}, step)
    for file in _list_artifacts(paths):
        row.log_artifact(file, file.parent.name)
    row.log_artifact(paths.dvc_lock)
    if state.lineage.is_current():  # otherwise params.yaml is of the next run
        row.log_artifact(paths.params)
    row.log_dataset("raw", paths.raw_manifest, "source")
    row.log_dataset("clean", paths.clean_manifest, "clean")
    row.log_dataset("split", paths.split, "train, validation, test")


def _link_stages(client: "MlflowClient", row: Tracked, state: State) -> None:
    """Tag the row with the run of every stage, found by its lock entry, or rebuilt from the files.

    A stage run belongs to the first row that finds it ("ran"); for later rows it came from cache.
    """
    for stage in UPSTREAM:
        entry = state.lineage.hash_entry_from_lock(stage)
        found = rows.find_runs(client, row=False, tag=ENTRY_TAG, value=entry)
        finished = [run for run in found if run.info.status == "FINISHED"]
        run_id = finished[-1].info.run_id if finished else _rebuild(client, stage, entry, state)
        is_new = bool(finished) and rows.OWNER_TAG not in finished[-1].data.tags
        if is_new or not finished:
            Tracked(client, run_id, is_strict=True).set_tags(
                {rows.OWNER_TAG: row.run_id, rows.PARENT_TAG: row.run_id}
            )
        row.set_tags(
            {f"stage.{stage}.run_id": run_id, f"stage.{stage}.status": "ran" if is_new else "cached"}
        )


def _rebuild(client: "MlflowClient", stage: str, entry: str, state: State) -> str:
    """Rebuild a stage's run from its files, if its own is not found (another server, or none then)."""
    tags = {STAGE_TAG: stage, ENTRY_TAG: entry, "rebuilt": "true"}
    run = create_run(client, state.root, stage, tags=tags)
    run.log_params(state.params.section(stage).flatten(f"{stage}."))
    run.log_metrics(_read_metrics(state.paths, stage))
    if state.paths.figures(stage).is_dir():
        run.log_artifact(state.paths.figures(stage), "figures")
    run.finish("FINISHED")
    return run.run_id


def _log_model(client: "MlflowClient", row: Tracked, state: State) -> LoggedModel:
    """Log the model with its answers to the test pictures beside it.

    This comes before the metrics: MLflow would ask for the history of each metric in the row, one by one.
    """
    exam = state.paths.root / EXAM
    exam.mkdir()
    for file in (state.paths.predictions, state.paths.classes):
        shutil.copy(file, exam)
    folder = str(state.paths.classifier.relative_to(state.paths.root))
    md5 = state.lineage.list_outs("train")[folder]
    return log_model(client, row.run_id, state.paths.classifier, md5=md5, exam=exam)


def _examine(
    client: "MlflowClient", version: registry.Version, params: PromoteParams, paths: Paths
) -> dict[str, Any]:
    """Compare the model with the champion."""
    before = registry.find_champion(client, params.model_name)
    challenger = read_exam(paths.predictions, paths.classes)
    with tempfile.TemporaryDirectory() as scratch:
        if before is None:
            decision = compare(challenger, None, params)
        elif before.number == version.number:
            decision = confirm_champion(challenger, params)
        elif found := registry.fetch_exam(client, before, Path(scratch)):
            decision = compare(challenger, read_exam(*found), params)
        else:
            decision = miss_champion(challenger, before.number, params)
    named = {"model_name": params.model_name, "version": version.number}
    return decision.as_dict() | named | {"champion_before": before.number if before else None}


def _read_metrics(paths: Paths, stage: str) -> dict[str, float]:
    metrics: dict[str, float] = read_json(paths.metrics(stage), stage)
    return metrics


def _measure(decision: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a decision; their names are the same for every verdict, so rows can be compared."""
    numbers = {name: decision[name] for name in ("challenger", "reference", "gain", "n_common")}
    return numbers | {"promoted": int(decision["verdict"] == "PROMOTE")}


def _describe(decision: Mapping[str, Any]) -> str:
    model = f"{decision['model_name']} version {decision['version']}"
    return f"{decision['verdict']} {model}: {'; '.join(decision['reasons'])}"


if __name__ == "__main__":
    run_stage("promote", main)
