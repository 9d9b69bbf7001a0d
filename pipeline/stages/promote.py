"""promote: complete the state's one row in MLflow, and let the better model become champion.

Reads   dvc.lock, every stage's metrics and pictures, data/train/classifier,
        data/evaluate/predictions.parquet, the registry.
Writes  data/promote/decision.json; a row in MLflow; a model version; the alias `champion` on PROMOTE.
Run     always (DVC may have restored everything else from its cache); a state that MLflow already holds
        whole changes nothing, and its decision is written again as it was made.
Cost    about 10 s for a new state, mostly importing MLflow and copying the model; well under 1 s otherwise.
"""

import csv
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.evidence.metrics import SCORES
from pipeline.params import Params, PromoteParams, flatten
from pipeline.paths import Paths, written_whole
from pipeline.promotion.gate import Decision, Floors, decide
from pipeline.runner import Metrics, run_stage
from pipeline.tables.parquet import PREDICTIONS, read_table
from pipeline.tracking import connection, registry
from pipeline.tracking.lineage import UPSTREAM, Lineage
from pipeline.tracking.runs import Run, Tracked, log_model

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAJORITY = "majority guess"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exam:
    """What one model answered on its test set: image ids, true and predicted classes [n], class names."""

    ids: npt.NDArray[np.str_]
    y_true: npt.NDArray[np.int64]
    y_pred: npt.NDArray[np.int64]
    class_names: tuple[str, ...]


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Find the state's row, or make it; write its decision down either way."""
    lineage = Lineage(paths)
    state = lineage.state()
    lineage.check_files()
    decision = connection.recorded_decision(paths.root, state)
    if decision is None:
        decision = _complete(params, paths, lineage, state)
    else:
        _log.info("this state is in MLflow already, nothing to do: %s", _sentence(decision))
    with written_whole(paths.decision) as temporary:
        temporary.write_text(json.dumps(decision, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return _metrics(decision)


def compare(challenger: Exam, champion: Exam | None, params: PromoteParams) -> Decision:
    """The decision on what both models answered on the test images that they have in common.

    Images that only one of them was tested on may have been in the other's training set, so they say
    nothing. Without a champion, the model must beat guessing the commonest class.
    """
    score = SCORES[params.metric]
    n_classes = len(challenger.class_names)
    floors = Floors(min_accuracy=params.min_accuracy, min_class_recall=params.min_class_recall)
    mine, theirs, obstacle = _common(challenger, champion)
    y_true = challenger.y_true[mine]
    return decide(
        metric=params.metric,
        against=MAJORITY if champion is None else registry.CHAMPION,
        challenger=score(y_true, challenger.y_pred[mine], n_classes) if len(mine) else 0.0,
        reference=score(y_true, theirs, n_classes) if len(mine) else 0.0,
        n_common=len(mine),
        min_common_images=1 if champion is None else params.min_common_images,
        min_gain=params.min_gain,
        missed_floors=floors.misses(**_floor_values(challenger)),
        obstacle=obstacle,
    )


def _common(
    challenger: Exam, champion: Exam | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], str]:
    """Positions of the common images in the challenger's exam, what the other side answered on them (in
    the challenger's class numbers), and what stands in the way of a comparison ("" for nothing)."""
    if champion is None:
        majority = np.bincount(challenger.y_true).argmax()
        return np.arange(len(challenger.ids)), np.full(len(challenger.ids), majority), ""
    nothing = np.zeros(0, np.int64)
    if set(champion.class_names) != set(challenger.class_names):
        return (
            nothing,
            nothing,
            (
                f"the champion sorts into {', '.join(champion.class_names)}, this model into "
                f"{', '.join(challenger.class_names)}: not comparable; set promote.model_name to keep both"
            ),
        )
    _, mine, theirs = np.intersect1d(challenger.ids, champion.ids, return_indices=True)
    number = np.array([challenger.class_names.index(name) for name in champion.class_names])
    return mine, number[champion.y_pred[theirs]], ""


def _floor_values(exam: Exam) -> dict[str, Any]:
    right = exam.y_true == exam.y_pred
    recall = {
        name: float(right[exam.y_true == index].mean())
        for index, name in enumerate(exam.class_names)
        if (exam.y_true == index).any()
    }
    return {"accuracy": float(right.mean()), "class_recall": recall}


def _complete(params: Params, paths: Paths, lineage: Lineage, state: str) -> dict[str, Any]:
    """Make the row of a new state: everything it holds, the model, the exam, the decision."""
    client = connection.connect(paths.root)
    name = os.environ.get("DVC_EXP_NAME") or f"state-{state[:8]}"
    with connection.new_row(client, paths.root, name, state) as row:
        _fill(row, params, paths)
        _link_stages(client, row, params, paths, lineage)
        decision = _examine(client, row, params.promote, paths, lineage)
        row.log_metrics({f"promote/{name}": value for name, value in _metrics(decision).items()})
        recorded = {connection.DECISION_TAG: json.dumps(decision, sort_keys=True)}
        row.set_tags(recorded | {"mlflow.note.content": _sentence(decision)})
        if decision["verdict"] == "PROMOTE":
            registry.crown(client, params.promote.model_name, decision["version"])
    _log.info("%s", _sentence(decision))
    return decision


def _fill(row: Tracked, params: Params, paths: Paths) -> None:
    """All that the stages left on disk, so that the row is whole also when every stage came from cache."""
    row.log_params(flatten(params.model_dump(by_alias=True)))
    for stage in UPSTREAM:
        row.log_metrics({f"{stage}/{name}": value for name, value in _stage_metrics(paths, stage).items()})
        if paths.figures(stage).is_dir():
            row.log_artifact(paths.figures(stage), f"{stage}/figures")
    for point in _curve(paths.history):
        step = int(point.pop("epoch"))
        row.log_metrics({f"curve/{name}": value for name, value in point.items()}, step)
    checked = (paths.expectations, paths.ready_expectations)
    for file in (paths.classes, paths.history, paths.predictions, paths.confusion, *checked):
        row.log_artifact(file, file.parent.name)
    for file in (paths.params, paths.dvc_lock):
        row.log_artifact(file)
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
        entry = lineage.entry_from_lock(stage)
        found = connection.find_runs(client, row=False, tag=connection.ENTRY_TAG, value=entry)
        finished = [run for run in found if run.info.status == "FINISHED"]
        run_id = finished[-1].info.run_id if finished else _rebuild(client, stage, entry, params, paths)
        is_new = bool(finished) and connection.OWNER_TAG not in finished[-1].data.tags
        if is_new or not finished:
            Tracked(client, run_id, is_strict=True).set_tags(
                {connection.OWNER_TAG: row.run_id, connection.PARENT_TAG: row.run_id}
            )
        row.set_tags(
            {f"stage.{stage}.run_id": run_id, f"stage.{stage}.status": "ran" if is_new else "cached"}
        )


def _rebuild(client: "MlflowClient", stage: str, entry: str, params: Params, paths: Paths) -> str:
    """A stage's run from the files it left, where its own cannot be found (another server, or none then)."""
    tags = {connection.STAGE_TAG: stage, connection.ENTRY_TAG: entry, "rebuilt": "true"}
    run = connection.create_run(client, paths.root, stage, tags=tags)
    run.log_params(flatten({stage: params.section(stage).model_dump()}))
    run.log_metrics(_stage_metrics(paths, stage))
    if paths.figures(stage).is_dir():
        run.log_artifact(paths.figures(stage), "figures")
    run.finish("FINISHED")
    return run.run_id


def _examine(
    client: "MlflowClient", row: Tracked, params: PromoteParams, paths: Paths, lineage: Lineage
) -> dict[str, Any]:
    """Log and register the model, and hold it against the champion."""
    with connection.answering():
        before = registry.champion(client, params.model_name)
        version = registry.register(
            client,
            params.model_name,
            model_uri=log_model(row.run_id, paths.classifier),
            model_md5=lineage.outs("train")["data/train/classifier"],
            run_id=row.run_id,
        )
        challenger = read_exam(paths.predictions, paths.classes)
        if before == version:
            decision = _already(challenger, params)
        else:
            champion = _champions_exam(client, before) if before else None
            decision = compare(challenger, champion, params)
    named = {"model_name": params.model_name, "version": version.number}
    return decision.as_dict() | named | {"champion_before": before.number if before else None}


def _already(exam: Exam, params: PromoteParams) -> Decision:
    """The very model that is champion, in a new state (other promote.* values, say): nothing to gain."""
    score = SCORES[params.metric](exam.y_true, exam.y_pred, len(exam.class_names))
    floors = Floors(min_accuracy=params.min_accuracy, min_class_recall=params.min_class_recall)
    return decide(
        metric=params.metric,
        against=registry.CHAMPION,
        challenger=score,
        reference=score,
        n_common=len(exam.ids),
        min_common_images=params.min_common_images,
        min_gain=params.min_gain,
        missed_floors=floors.misses(**_floor_values(exam)),
        obstacle="this model is the champion already",
    )


def read_exam(predictions: Path, classes: Path) -> Exam:
    """Read predictions.parquet and classes.json.

    Raises:
        DataError: a file is missing or damaged, or there is no prediction.
    """
    table = read_table(predictions, PREDICTIONS)
    if not table.num_rows:
        raise DataError(f"{predictions} holds no prediction; run `dvc repro evaluate`")
    columns = {name: table[name].to_numpy() for name in ("id", "y_true", "y_pred")}
    names = tuple(json.loads(classes.read_text(encoding="utf-8")))
    return Exam(
        columns["id"].astype(str), columns["y_true"].astype(int), columns["y_pred"].astype(int), names
    )


def _champions_exam(client: "MlflowClient", champion: registry.Version) -> Exam:
    with tempfile.TemporaryDirectory() as folder:
        predictions, classes = (
            registry.fetch_artifact(client, champion.run_id, name, Path(folder))
            for name in ("evaluate/predictions.parquet", "split/classes.json")
        )
        return read_exam(predictions, classes)


def _stage_metrics(paths: Paths, stage: str) -> dict[str, float]:
    metrics: dict[str, float] = json.loads(paths.metrics(stage).read_text(encoding="utf-8"))
    return metrics


def _curve(history: Path) -> list[dict[str, float]]:
    """The rows of history.csv as numbers: epoch, and a value a curve."""
    with history.open(encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in line.items()} for line in csv.DictReader(file)]


def _metrics(decision: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a decision; the same names whatever was decided, so that rows compare."""
    numbers = {name: decision[name] for name in ("challenger", "reference", "gain", "n_common")}
    return numbers | {"promoted": int(decision["verdict"] == "PROMOTE")}


def _sentence(decision: Mapping[str, Any]) -> str:
    model = f"{decision['model_name']} version {decision['version']}"
    return f"{decision['verdict']} {model}: {'; '.join(decision['reasons'])}"


if __name__ == "__main__":
    run_stage("promote", main)
