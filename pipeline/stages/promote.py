"""promote: complete the state's one row in MLflow, and let the better model become champion.

Reads   dvc.lock, every stage's metrics and pictures, data/train/classifier,
        data/evaluate/predictions.parquet, the registry.
Writes  data/promote/decision.json, verdict.js (for the report); a row in MLflow; a model version;
        the alias `champion` on PROMOTE.
Run     always (DVC may have restored everything else from its cache). If MLflow already holds the whole
        state, nothing changes, and its decision is written again as it was made.
Cost    about 10 s for a new state, mostly importing MLflow and copying the model; well under 1 s otherwise.
"""

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PromotionError
from pipeline.evidence.exams import read_exam
from pipeline.json_file import read_json
from pipeline.labels import read_class_names
from pipeline.params import Params, PromoteParams
from pipeline.paths import Paths
from pipeline.promotion.exam import compare, confirm_champion, miss_champion
from pipeline.promotion.state import State, copy_state, list_artifacts
from pipeline.promotion.verdict import describe_verdict, write_verdict
from pipeline.runner import Metrics, run_stage
from pipeline.serving.seal import write_seal
from pipeline.storage import write_whole
from pipeline.tracking import registry, rows
from pipeline.tracking.connection import connect
from pipeline.tracking.lineage import UPSTREAM, Lineage, compute_md5
from pipeline.tracking.packaging import EXAM, LoggedModel, log_model
from pipeline.tracking.row_names import Origin, name_row
from pipeline.tracking.runs import (
    ENTRY_TAG,
    PARENT_TAG,
    STAGE_TAG,
    Run,
    Tracked,
    create_run,
    end_killed_runs,
    search_runs,
)
from pipeline.tracking.views import ROW_TAG, save_views
from pipeline.training.history import read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What a row says of the stages before evaluate; their own runs hold the rest.
_TOLD_OF_STAGES = {
    "split": ("metadata_accuracy",),
    "train": ("train_accuracy", "val_accuracy", "cross_validated_accuracy", "n_parameters"),
}
_N_TRIES, _PAUSE_S = 4, 1.0  # where other people promote at the same time

_log = logging.getLogger(__name__)


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
                decision = _make_row(client, state, params, digest)
    else:
        _log.info("this state is in MLflow already, nothing to do: %s", describe_verdict(decision))
    with write_whole(paths.decision) as temporary:
        temporary.write_text(json.dumps(decision, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    write_verdict(decision, paths.verdict)
    return _measure(decision)


def _make_row(client: "MlflowClient", state: State, params: Params, digest: str) -> dict[str, Any]:
    """Make the row of a new state: everything it holds, the model, the exam, the decision.

    The decision is recorded before it is carried out, so a kill at any point is mended by the next promotion.
    """
    end_killed_runs(client)
    name = _name_row(client, state)
    with rows.open_row(client, state.root, name, digest) as row:
        row.log_params(state.params.flatten_chain())
        model = _log_model(client, row, state)
        _fill(row, model, state)
        _link_stages(client, row, state, name)
        classes = read_class_names(state.paths.classes)
        model_name = _name_model(client, params, classes)
        version = registry.register_version(
            client, model_name, model=model, run_id=row.run_id, classes=classes
        )
        for _ in range(_N_TRIES):
            decision = _examine(client, model_name, version, params.promote, state.paths)
            row.log_metrics({"gain": decision["gain"]})
            rows.record(row, decision, describe_verdict(decision))
            elected, decision = rows.elect(client, digest)
            if rows.carry_out(client, elected, decision):
                break
            time.sleep(_PAUSE_S)
        else:
            rows.withdraw(client, row.run_id)
            raise PromotionError(
                f"the champion of {model_name} changed {_N_TRIES} times while this model was compared "
                "with it; run `dvc repro` again"
            )
        if elected != row.run_id:
            rows.withdraw(client, row.run_id)
    save_views(client)
    _log.info("%s", describe_verdict(decision))
    return decision


def _name_row(client: "MlflowClient", state: State) -> str:
    """The name of a new row, by what differs from the first one."""
    known = search_runs(client, "attributes.status = 'FINISHED'", row=True)
    origins = [
        Origin(run.data.params, one.dataset.digest)
        for run in known
        for one in run.inputs.dataset_inputs
        if one.dataset.name == "raw"
    ]
    params = {name: str(value) for name, value in state.params.flatten_chain().items()}
    origin = Origin(params, compute_md5(state.paths.raw_manifest))
    return name_row(origin, origins[-1] if origins else None, {run.info.run_name for run in known})


def _name_model(client: "MlflowClient", params: Params, classes: Sequence[str]) -> str:
    """The registered model; another one where the champion has other classes.

    A champion is served, so a model of other classes must never take its place.
    """
    name = params.model_name
    theirs = registry.read_classes(client, name)
    if theirs in ("", registry.hash_classes(classes)):
        return name
    own = f"{name}-{len(classes)}-classes-{registry.hash_classes(classes)[:6]}"
    _log.info("the champion of %s has other classes: this model is registered as %s", name, own)
    return own


def _fill(row: Tracked, model: LoggedModel, state: State) -> None:
    """Log all that the stages left, so the row is whole even if every stage came from cache."""
    paths = state.paths
    row.log_metrics(_read_metrics(paths, "evaluate"), model_id=model.id)
    for stage, names in _TOLD_OF_STAGES.items():
        found = _read_metrics(paths, stage)
        row.log_metrics({name: found[name] for name in names if name in found})
    for stage in UPSTREAM:
        if paths.figures(stage).is_dir():
            row.log_artifact(paths.figures(stage), f"{stage}/figures")
    for point in read_history(paths.history):
        step = int(point.pop("epoch"))
        row.log_metrics({f"curve/{name}": value for name, value in point.items()}, step)
    for file in list_artifacts(paths):
        row.log_artifact(file, file.parent.name)
    row.log_artifact(paths.dvc_lock)
    if state.lineage.is_current():  # otherwise params.yaml is of the next run
        row.log_artifact(paths.params)
    row.log_dataset("raw", paths.raw_manifest, "source")
    row.log_dataset("clean", paths.clean_manifest, "clean")
    row.log_dataset("split", paths.split, "train, validation, test")


def _link_stages(client: "MlflowClient", row: Tracked, state: State, name: str) -> None:
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
                {rows.OWNER_TAG: row.run_id, PARENT_TAG: row.run_id, ROW_TAG: name}
            )
        if stage == "train" and finished:
            info = finished[-1].info
            row.log_metrics({"train_seconds": round((info.end_time - info.start_time) / 1000, 1)})
        row.set_tags(
            {f"stage.{stage}.run_id": run_id, f"stage.{stage}.status": "ran" if is_new else "cached"}
        )


def _rebuild(client: "MlflowClient", stage: str, entry: str, state: State) -> str:
    """Rebuild a stage's run from its files, if its own is not found (another server, or none then)."""
    tags = {STAGE_TAG: stage, ENTRY_TAG: entry, "rebuilt": "true"}
    run = create_run(client, state.root, stage, tags=tags)
    run.log_params(state.params.section(stage).flatten(f"{stage}."))
    run.log_metrics(_read_metrics(state.paths, stage) | _read_details(state.paths, stage))
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
    shutil.copy(state.paths.answers, state.paths.classifier)  # the copy: the model answers by the rule
    outs = state.lineage.list_outs("train") | state.lineage.list_outs("evaluate")
    made = (state.paths.classifier, state.paths.answers)
    md5 = " ".join(outs[str(path.relative_to(state.paths.root))] for path in made)
    seal = write_seal(state.paths.classifier)
    return log_model(client, row.run_id, state.paths.classifier, md5=md5, seal=seal, exam=exam)


def _examine(
    client: "MlflowClient", model_name: str, version: registry.Version, params: PromoteParams, paths: Paths
) -> dict[str, Any]:
    """Compare the model with the champion."""
    before = registry.find_champion(client, model_name)
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
    named = {"model_name": model_name, "version": version.number}
    return decision.as_dict() | named | {"champion_before": before.number if before else None}


def _read_details(paths: Paths, stage: str) -> dict[str, float]:
    return read_json(paths.details(stage), stage) if paths.details(stage).exists() else {}


def _read_metrics(paths: Paths, stage: str) -> dict[str, float]:
    metrics: dict[str, float] = read_json(paths.metrics(stage), stage)
    return metrics


def _measure(decision: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a decision; their names are the same for every verdict, so rows can be compared."""
    numbers = {name: decision[name] for name in ("challenger", "reference", "gain", "n_common")}
    return numbers | {"promoted": int(decision["verdict"] == "PROMOTE")}


if __name__ == "__main__":
    run_stage("promote", main)
