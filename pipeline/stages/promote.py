"""promote: complete the state's one row in MLflow, and let the better model become champion.

Reads   dvc.lock, every stage's metrics and pictures, data/train/classifier,
        data/evaluate/predictions.parquet, the registry; of a new state some files of the source, and shards.
Writes  data/promote/decision.json, decision.html, verdict.js (for the report); a row in MLflow; a model
        version; on PROMOTE a line in the ledger and the aliases `champion` and `previous`, otherwise the
        alias `challenger`.
Run     always (DVC may have restored everything else from its cache). If MLflow already holds the whole
        state, nothing changes, and its decision is written again as it was made.
Cost    about 20 s for a new state, mostly importing MLflow and trying the model; well under 1 s otherwise:
        what only a new state needs is imported in functions.
"""

import json
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PromotionError
from pipeline.labels import read_class_names
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.promotion.state import State, copy_state
from pipeline.promotion.verdict import describe_verdict, write_verdict
from pipeline.runner import Metrics, run_stage
from pipeline.storage import write_whole
from pipeline.tracking import decisions, registry, rows
from pipeline.tracking.connection import connect
from pipeline.tracking.ledger import open_ledger, read_lines
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.replay import replay
from pipeline.tracking.runs import Run, Tracked, end_killed_runs
from pipeline.tracking.views import save_views

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pipeline.promotion.artefact import Trial
    from pipeline.promotion.gate import Decision

_N_TRIES, _PAUSE_S = 4, 1.0  # where other people promote at the same time

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Find the state's row, or make it; write its decision either way."""
    lineage = Lineage(paths)
    digest = lineage.hash_state()
    lineage.check_files()
    replay(paths.root)
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
    _write_page(decision, paths, digest)
    write_verdict(decision, paths.verdict, page=paths.decision_page.name)
    return _measure(decision)


def _make_row(client: "MlflowClient", state: State, params: Params, digest: str) -> dict[str, Any]:
    """Make the row of a new state: everything it holds, the model, the exam, the decision.

    The decision is recorded before it is carried out, so a kill at any point is mended by the next promotion.
    """
    from pipeline.promotion.examiner import USE_TAG, examine
    from pipeline.promotion.rolled_back import respect_rollback
    from pipeline.promotion.row_contents import fill_row, link_stages, log_state_model, name_state

    end_killed_runs(client)
    name = name_state(client, state)
    with rows.open_row(client, state.root, name, digest) as row:
        row.log_params(state.params.flatten_chain())
        model = log_state_model(client, row, state)
        fill_row(row, model, state)
        link_stages(client, row, state, name)
        classes = read_class_names(state.paths.classes)
        model_name = _name_model(client, params, classes)
        version = registry.register_version(
            client, model_name, model=model, run_id=row.run_id, classes=classes
        )
        trial = _try_model(row, model_name, version, state)
        for _ in range(_N_TRIES):
            judged, before = examine(client, model_name, version, state, trial)
            moves = read_lines(open_ledger(client, state.root, model_name), model_name)
            judged = respect_rollback(judged, moves, version.number)
            named = {"model_name": model_name, "version": version.number, "champion_before": before}
            decision = judged.as_dict() | named
            page = _make_page(decision, judged, trial, state)
            row.log_artifact(page, "promote")
            row.log_metrics({"gain": decision["gain"]})
            row.set_tags({USE_TAG: judged.use.as_text() if judged.use else ""})
            rows.record(row, decision, describe_verdict(decision))
            elected, decision = rows.elect(client, digest)
            if rows.carry_out(client, state.root, elected, decision):
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
        else:
            _keep_page(page, state.root, digest)
    save_views(client)
    _log.info("%s", describe_verdict(decision))
    return decision


def _make_page(decision: decisions.Decision, judged: "Decision", trial: "Trial | None", state: State) -> Path:
    """The decision as a page, beside the copies of the state."""
    import numpy as np

    from pipeline.collection.pictures import Pictures, read_part
    from pipeline.images.picture import encode_png
    from pipeline.promotion.decision_page import Exhibits, write_decision_page

    names, page = read_class_names(state.paths.classes), state.paths.decision_page
    part = read_part("test", split_path=state.paths.split, manifest_path=state.paths.clean_manifest)
    pictures = Pictures((Paths(state.root).shards, part))
    place = {id_: i for i, id_ in enumerate(part.ids)}

    def draw(ids: Sequence[str]) -> list[bytes]:
        return [encode_png(one) for one in pictures.gather(np.array([place[id_] for id_ in ids], np.int64))]

    page.parent.mkdir(parents=True, exist_ok=True)
    write_decision_page(decision, page, Exhibits(names, judged.compared, trial, draw))
    return page


def _keep_page(page: Path, root: Path, digest: str) -> None:
    """Keep the page of a state in the project's cache, for the next time that the state is here."""
    with write_whole(_locate_page(root, digest)) as temporary:
        shutil.copy(page, temporary)


def _write_page(decision: decisions.Decision, paths: Paths, digest: str) -> None:
    """Write the page of the decision: the one that was made with it, or what the decision itself says."""
    kept = _locate_page(paths.root, digest)
    if kept.is_file():
        with write_whole(paths.decision_page) as temporary:
            shutil.copy(kept, temporary)
    else:
        from pipeline.promotion.decision_page import write_decision_page

        write_decision_page(decision, paths.decision_page)


def _locate_page(root: Path, digest: str) -> Path:
    return Paths(root).cache / "decisions" / f"{digest}.html"


def _try_model(row: Tracked, model_name: str, version: registry.Version, state: State) -> "Trial | None":
    """Try the registered model in a process of its own, and log its size and its speed; None if unwanted."""
    from pipeline.promotion.artefact import try_model
    from pipeline.promotion.examiner import fetch_version

    n = state.params.promote.trial_images
    if not n:
        return None
    trial = try_model(fetch_version(state.root, model_name, version), state, n)
    numbers = {"model_mb": trial.megabytes, "cpu_ms": trial.cpu_ms}
    row.log_metrics({name: round(value, 1) for name, value in numbers.items() if not math.isnan(value)})
    return trial


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


def _measure(decision: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a decision; their names are the same for every verdict, so rows can be compared."""
    numbers = {name: decision[name] for name in ("challenger", "reference", "gain", "n_common")}
    return numbers | {"promoted": int(decision["verdict"] == "PROMOTE")}


if __name__ == "__main__":
    run_stage("promote", main)
