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
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PromotionError, one_line
from pipeline.params import Params, PromoteParams
from pipeline.params_file import check_params
from pipeline.paths import Paths, read_json
from pipeline.promotion.exam import compare, confirm_champion, miss_champion, read_exam
from pipeline.runner import Metrics, run_stage
from pipeline.storage import write_whole
from pipeline.tracking import registry, rows
from pipeline.tracking.connection import connect
from pipeline.tracking.lineage import UPSTREAM, Lineage, compute_md5
from pipeline.tracking.packaging import EXAM, LoggedModel, log_model
from pipeline.tracking.runs import ENTRY_TAG, STAGE_TAG, Run, Tracked, create_run, end_killed_runs
from pipeline.training.history import read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

_N_TRIES = 3  # where other people promote at the same time

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Find the state's row, or make it; write its decision either way."""
    lineage = Lineage(paths)
    state = lineage.hash_state()
    lineage.check_files()
    decision = rows.read_decision(paths.root, state)
    if decision is None:
        client = connect(paths.root)
        with rows.lock_rows(client, paths.root):
            decision = rows.read_decision(paths.root, state)  # another process may have made it since
            decision = decision or _make_row(client, params, paths, lineage, state)
    else:
        _log.info("this state is in MLflow already, nothing to do: %s", _describe(decision))
    with write_whole(paths.decision) as temporary:
        temporary.write_text(json.dumps(decision, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return _measure(decision)


def _make_row(
    client: "MlflowClient", params: Params, paths: Paths, lineage: Lineage, state: str
) -> dict[str, Any]:
    """Make the row of a new state: everything it holds, the model, the exam, the decision.

    The decision is recorded before it is carried out, so a kill at any point is mended by the next promotion.
    """
    end_killed_runs(client)
    used = check_params(lineage.list_used_params(), paths.dvc_lock.name)
    name = os.environ.get("DVC_EXP_NAME") or f"state-{state[:8]}"
    with rows.open_row(client, paths.root, name, state) as row:
        row.log_params(used.flatten())
        model = _log_model(client, row, paths, lineage)
        _fill(row, model, paths, lineage)
        if used.flatten() == params.flatten():  # otherwise the file is of the next run
            row.log_artifact(paths.params)
        _link_stages(client, row, used, paths, lineage)
        version = registry.register_version(client, params.promote.model_name, model=model, run_id=row.run_id)
        for _ in range(_N_TRIES):
            decision = _examine(client, version, params.promote, paths)
            row.log_metrics({f"promote/{name}": value for name, value in _measure(decision).items()})
            rows.record(row, decision, _describe(decision))
            elected, decision = rows.elect(client, state)
            if rows.carry_out(client, elected, decision):
                break
        else:
            rows.withdraw(client, row.run_id)
            raise PromotionError(
                f"the champion of {params.promote.model_name} changed {_N_TRIES} times while this model was "
                "compared with it; run `dvc repro` again"
            )
        if elected != row.run_id:
            rows.withdraw(client, row.run_id)
    _log.info("%s", _describe(decision))
    return decision


def _fill(row: Tracked, model: LoggedModel, paths: Paths, lineage: Lineage) -> None:
    """Log all that the stages left on disk, so the row is whole even if every stage came from cache."""
    lineage.check_folders({str(paths.figures(stage).relative_to(paths.root)) for stage in UPSTREAM})
    for stage in UPSTREAM:
        metrics = {f"{stage}/{name}": value for name, value in _read_metrics(paths, stage).items()}
        row.log_metrics(metrics, model_id=model.id if stage == "evaluate" else None)
        if paths.figures(stage).is_dir():
            row.log_artifact(paths.figures(stage), f"{stage}/figures")
    for point in read_history(paths.history):
        step = int(point.pop("epoch"))
        row.log_metrics({f"curve/{name}": value for name, value in point.items()}, step)
    checked = (paths.expectations, paths.ready_expectations)
    for file in (paths.classes, paths.history, paths.predictions, paths.confusion, *checked):
        row.log_artifact(file, file.parent.name)
    row.log_artifact(paths.dvc_lock)
    row.log_dataset("raw", paths.raw_manifest, "source")
    row.log_dataset("clean", paths.clean_manifest, "clean")
    row.log_dataset("split", paths.split, "train, validation, test")


def _link_stages(
    client: "MlflowClient", row: Tracked, params: Params, paths: Paths, lineage: Lineage
) -> None:
    """Tag the row with the run of every stage, found by its lock entry, or rebuilt from the files.

    A stage run belongs to the first row that finds it ("ran"); for later rows it came from cache.
    """
    for stage in UPSTREAM:
        entry = lineage.hash_entry_from_lock(stage)
        found = rows.find_runs(client, row=False, tag=ENTRY_TAG, value=entry)
        finished = [run for run in found if run.info.status == "FINISHED"]
        run_id = finished[-1].info.run_id if finished else _rebuild(client, stage, entry, params, paths)
        is_new = bool(finished) and rows.OWNER_TAG not in finished[-1].data.tags
        if is_new or not finished:
            Tracked(client, run_id, is_strict=True).set_tags(
                {rows.OWNER_TAG: row.run_id, rows.PARENT_TAG: row.run_id}
            )
        row.set_tags(
            {f"stage.{stage}.run_id": run_id, f"stage.{stage}.status": "ran" if is_new else "cached"}
        )


def _rebuild(client: "MlflowClient", stage: str, entry: str, params: Params, paths: Paths) -> str:
    """Rebuild a stage's run from its files, if its own is not found (another server, or none then)."""
    tags = {STAGE_TAG: stage, ENTRY_TAG: entry, "rebuilt": "true"}
    run = create_run(client, paths.root, stage, tags=tags)
    run.log_params(params.section(stage).flatten(f"{stage}."))
    run.log_metrics(_read_metrics(paths, stage))
    if paths.figures(stage).is_dir():
        run.log_artifact(paths.figures(stage), "figures")
    run.finish("FINISHED")
    return run.run_id


def _log_model(client: "MlflowClient", row: Tracked, paths: Paths, lineage: Lineage) -> LoggedModel:
    """Log the very model that dvc.lock recorded, with its answers beside it.

    This comes before the metrics: MLflow would ask for the history of each metric in the row, one by one.

    Raises:
        PromotionError: the folder holds another model.
    """
    folder = str(paths.classifier.relative_to(paths.root))
    md5 = lineage.list_outs("train")[folder]
    with tempfile.TemporaryDirectory() as scratch:
        copy, exam = Path(scratch) / "classifier", Path(scratch) / EXAM
        try:
            shutil.copytree(paths.classifier, copy)
        except OSError as error:
            raise PromotionError(f"{folder} cannot be copied to {scratch}: {one_line(error)}") from None
        if compute_md5(copy) != md5:
            raise PromotionError(f"{folder} is not what dvc.lock recorded for train; run `dvc repro`")
        exam.mkdir()
        for file in (paths.predictions, paths.classes):
            shutil.copy(file, exam)
        return log_model(client, row.run_id, copy, md5=md5, exam=exam)


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
