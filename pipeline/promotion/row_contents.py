"""What a row in MLflow holds of a state: its name, numbers, files, stage runs, and the model."""

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.characters import cut
from pipeline.json_file import read_json
from pipeline.paths import Paths
from pipeline.promotion.description import describe_model
from pipeline.promotion.learning import list_learnt, list_new_sources, read_start
from pipeline.promotion.state import State, list_artifacts
from pipeline.serving.seal import seal_model, write_seal
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tracking import rows
from pipeline.tracking.lineage import UPSTREAM, compute_md5
from pipeline.tracking.packaging import EXAM, LEARNT_FILE, NEW_SOURCES_FILE, LoggedModel, log_model
from pipeline.tracking.row_names import Origin, name_row
from pipeline.tracking.runs import (
    ENTRY_TAG,
    PARENT_TAG,
    STAGE_TAG,
    Tracked,
    ask_git,
    create_run,
    search_runs,
)
from pipeline.tracking.version_tags import CARD_TAG, TEST_TAG
from pipeline.tracking.views import ROW_TAG
from pipeline.training.history import read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

ORIGIN_TAG, START_TAG = "origin", "start_from"
_MAX_ORIGIN = 200  # characters
_IDS = pa.schema([PREDICTIONS.field("id")])
# What a row says of the stages before evaluate; their own runs hold the rest.
_TOLD_OF_STAGES = {
    "split": ("metadata_accuracy",),
    "train": ("train_accuracy", "val_accuracy", "cross_validated_accuracy", "n_parameters"),
}


def name_state(client: "MlflowClient", state: State) -> str:
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


def fill_row(row: Tracked, model: LoggedModel, state: State) -> None:
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
    card = read_json(paths.model_card, "evaluate")
    row.set_tags({CARD_TAG: describe_model(card), TEST_TAG: hash_test_ids(paths)})
    if start := read_start(paths.started_from):
        row.set_tags({START_TAG: start})


def link_stages(client: "MlflowClient", row: Tracked, state: State, name: str) -> None:
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
        tags = {f"stage.{stage}.run_id": run_id, f"stage.{stage}.status": "ran" if is_new else "cached"}
        row.set_tags(tags if finished else tags | {ORIGIN_TAG: describe_origin_of_lock(state.root)})


def _rebuild(client: "MlflowClient", stage: str, entry: str, state: State) -> str:
    """Rebuild a stage's run from its files, if its own is not found: it ran elsewhere."""
    origin = {ORIGIN_TAG: describe_origin_of_lock(state.root)}
    tags = {STAGE_TAG: stage, ENTRY_TAG: entry, "rebuilt": "true"} | origin
    run = create_run(client, state.root, stage, tags=tags)
    run.log_params(state.params.section(stage).flatten(f"{stage}."))
    run.log_metrics(_read_metrics(state.paths, stage) | _read_details(state.paths, stage))
    if state.paths.figures(stage).is_dir():
        run.log_artifact(state.paths.figures(stage), "figures")
    run.finish("FINISHED")
    return run.run_id


def describe_origin_of_lock(root: Path) -> str:
    """Where files come from that no run in MLflow made: who committed the dvc.lock that names them."""
    if ask_git(root, "status", "--porcelain", "--", "dvc.lock"):
        return "DVC's cache; dvc.lock is not committed"
    found = ask_git(root, "log", "-1", "--format=commit %h by %an", "--", "dvc.lock")
    return cut(f"DVC's cache; dvc.lock of {found}", _MAX_ORIGIN) if found else "DVC's cache"


def log_state_model(client: "MlflowClient", row: Tracked, state: State) -> LoggedModel:
    """Log the model with its answers to the test pictures beside it.

    This comes before the metrics: MLflow would ask for the history of each metric in the row, one by one.
    """
    exam = state.paths.root / EXAM
    exam.mkdir()
    for file in (state.paths.predictions, state.paths.classes):
        shutil.copy(file, exam)
    write_table(list_learnt(state.paths), exam / LEARNT_FILE)
    write_table(list_new_sources(state.paths), exam / NEW_SOURCES_FILE)
    shutil.copy(state.paths.answers, state.paths.classifier)  # the copy: the model answers by the rule
    if state.paths.training_facts.is_file():
        shutil.copy(state.paths.training_facts, state.paths.classifier)
    outs = state.lineage.list_outs("train") | state.lineage.list_outs("evaluate")
    made = (state.paths.classifier, state.paths.answers)
    md5 = " ".join(outs[str(path.relative_to(state.paths.root))] for path in made)
    seal = write_seal(state.paths.classifier)
    folder = state.paths.classifier
    return log_model(client, row.run_id, folder, md5=md5, seal=seal, seal_model=seal_model, exam=exam)


def hash_test_ids(paths: Paths) -> str:
    """The sha256 of the ids of the test pictures: two models with the same one had the same test."""
    ids = sorted(read_table(paths.predictions, _IDS, may_hold_more=True)["id"].to_pylist())
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _read_details(paths: Paths, stage: str) -> dict[str, float]:
    return read_json(paths.details(stage), stage) if paths.details(stage).exists() else {}


def _read_metrics(paths: Paths, stage: str) -> dict[str, float]:
    metrics: dict[str, float] = read_json(paths.metrics(stage), stage)
    return metrics
