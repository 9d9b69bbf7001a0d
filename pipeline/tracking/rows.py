"""One row in MLflow per distinct dvc.lock state: whole, or absent.

A promotion fills its row, records the decision in it, carries the decision out, and finishes the row. From
the record on, the row is whole, and whoever comes next can complete what a kill interrupted. A row without a
decision is withdrawn with all that came from it.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.characters import cut
from pipeline.tracking import registry
from pipeline.tracking.connection import (
    connect,
    find_database,
    lock,
    name_experiments,
    resolve_uri,
    translate_errors,
)
from pipeline.tracking.decisions import DECISION_TAG, VERDICT_TAG, Decision, divide_decision, parse_decision
from pipeline.tracking.ledger import FIRST, MAX_REASON, PROMOTE, Move, open_ledger, read_lines
from pipeline.tracking.model_lock import lock_model
from pipeline.tracking.moves import mark_champion, move_champion, settle
from pipeline.tracking.processes import PROCESS_TAG, is_gone
from pipeline.tracking.runs import PARENT_TAG, STAGE_TAG, Tracked, create_run, search_runs, shorten_value
from pipeline.tracking.server import UnusualAnswerError, ask, ask_experiment_id
from pipeline.tracking.version_tags import describe_version

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECORDED_TAG = "promote.recorded_ms"
STATE_TAG = "dvc.lock_state"
OWNER_TAG = "pipeline.run_id"
_MAX_NOTE = 5000
_NUMBERS = ("metric", "challenger", "reference", "gain", "n_common")  # of a decision, that are evidence
_OF_EXAM = ("gain_low", "gain_high", "p")
_RIVAL_MS = 3_600_000  # a promotion takes less
_RECORDED = """
    SELECT key, value FROM tags WHERE key LIKE ? || '%' AND run_uuid = (
        SELECT runs.run_uuid FROM runs
        JOIN experiments ON experiments.experiment_id = runs.experiment_id AND experiments.name = ?
        JOIN tags AS state ON state.run_uuid = runs.run_uuid AND state.key = ? AND state.value = ?
        WHERE runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active' ORDER BY runs.start_time LIMIT 1
    )
"""

_log = logging.getLogger(__name__)


def find_runs(client: "MlflowClient", *, row: bool, tag: str, value: str) -> list[Any]:
    """The active runs that carry a tag, newest first; [] also where the experiment does not exist yet."""
    return search_runs(client, f"tags.`{tag}` = '{value}'", row=row)


@contextmanager
def lock_rows(client: "MlflowClient", root: Path) -> Iterator[None]:
    """Settle what killed promotions left; on a local database, one process at a time promotes.

    Raises:
        TrackingError: MLflow is unreachable or refuses.
    """
    with translate_errors(), lock(root, "promote"):
        is_alone = find_database(root) is not None
        for run in search_runs(client, "attributes.status != 'FINISHED'", row=True):
            if STATE_TAG not in run.data.tags:
                continue  # a run of someone else's, in the same experiment
            if is_alone or is_gone(run.data.tags.get(PROCESS_TAG), run.info.start_time):
                _settle(client, root, run)
        yield


@contextmanager
def open_row(client: "MlflowClient", root: Path, name: str, state: str) -> Iterator[Tracked]:
    """A new row of a dvc.lock state; on an exception, or if no decision was recorded, it is withdrawn."""
    row = create_run(client, root, name, row=True, tags={STATE_TAG: state, STAGE_TAG: "pipeline"})
    try:
        yield row
    finally:
        with suppress(Exception):  # an error of the body is the one to report; the next promotion tries again
            if parse_decision(client.get_run(row.run_id).data.tags) is None:
                withdraw(client, row.run_id)


def record(row: Tracked, decision: Decision, note: str) -> None:
    """Write the decision into its row, in one call: whole, or not at all."""
    import time

    recorded = {RECORDED_TAG: f"{time.time_ns() // 1_000_000:015d}"}
    told = {VERDICT_TAG: decision["verdict"], "mlflow.note.content": shorten_value(note, _MAX_NOTE)}
    row.set_tags(divide_decision(decision) | recorded | told)


def elect(client: "MlflowClient", state: str) -> tuple[str, Decision]:
    """The row whose decision counts, with it: the finished row, otherwise the one that was recorded first.

    Two people may promote one state at the same time on a server, which has no lock.
    """
    found = find_runs(client, row=True, tag=STATE_TAG, value=state)
    decided = [(run, decision) for run in found if (decision := parse_decision(run.data.tags)) is not None]

    def rank(one: tuple[Any, Decision]) -> tuple[bool, str, str]:
        run = one[0]
        return run.info.status != "FINISHED", run.data.tags.get(RECORDED_TAG, ""), run.info.run_id

    run, decision = min(decided, key=rank)
    return run.info.run_id, decision


def carry_out(client: "MlflowClient", root: Path, run_id: str, decision: Decision) -> bool:
    """Let the champion be whom a recorded decision chose, and finish its row; may be repeated at any point.

    Returns:
        False if another model has become champion since the decision, or its version is gone: the decision no
        longer holds, and the champion is the other one.
    """
    name, number = decision["model_name"], decision["version"]
    if not registry.has_version(client, name, number):
        return False
    with lock_model(client, root, name):
        settle(client, root, name)
        if decision["verdict"] == "PROMOTE":
            if not _promote(client, root, run_id, decision):
                return False
        elif decision["champion_before"] is not None:
            registry.name_challenger(client, name, number)
    if number != decision["champion_before"]:  # the champion keeps the verdict that made it champion
        describe_version(client, name, number, verdict=decision["verdict"], row=client.get_run(run_id))
    client.set_terminated(run_id, "FINISHED")
    is_adopted = registry.adopt_version(client, name, number, run_id)
    if is_adopted and registry.find_alias(client, name, registry.CHAMPION) == number:
        mark_champion(client, run_id, name)
    return True


def withdraw(client: "MlflowClient", run_id: str) -> None:
    """Delete a row that is not finished, after the versions and logged models that came from it.

    Stage runs that it took as its own are free for the next row.
    """
    experiment_id = client.get_run(run_id).info.experiment_id
    for run in find_runs(client, row=False, tag=OWNER_TAG, value=run_id):
        client.delete_tag(run.info.run_id, PARENT_TAG)
        client.delete_tag(run.info.run_id, OWNER_TAG)
    client.set_terminated(run_id, "FAILED")  # a deleted run keeps its status
    registry.delete_versions(client, run_id)
    for model in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
    client.delete_run(run_id)


def read_decision(root: Path, state: str) -> Decision | None:
    """The decision in the finished row of a state; None if there is no such row.

    This asks the database or the server itself: importing MLflow would take most of the time of a `dvc repro`
    that has nothing to do. Anything unusual there is left to MLflow.

    Raises:
        TrackingError: the server is unreachable.
    """
    with suppress(sqlite3.Error, UnusualAnswerError, OSError, LookupError, TypeError):
        database = find_database(root)
        tags = _ask_database(database, state) if database else _ask_server(resolve_uri(root), state)
        return parse_decision(tags)
    client = connect(root)
    with translate_errors():
        rows = find_runs(client, row=True, tag=STATE_TAG, value=state)
    finished = [run.data.tags for run in rows if run.info.status == "FINISHED"]
    return parse_decision(finished[-1]) if finished else None


def _promote(client: "MlflowClient", root: Path, run_id: str, decision: Decision) -> bool:
    """Move the champion, unless others have moved it, or come first; whether the decision holds."""
    name, number = decision["model_name"], decision["version"]
    moves = [one.move for one in read_lines(open_ledger(client, root, name), name)]
    if any(one.row == run_id and one.decision in (FIRST, PROMOTE) for one in moves):
        return True  # it was carried out, whatever came after it
    champion = registry.find_champion(client, name)
    now = champion.number if champion else None
    if now == number:
        mark_champion(client, run_id, name)
        return True
    if now != decision["champion_before"] or _has_rival(client, run_id, decision):
        return False
    exam = decision.get("exam") or {}
    found = registry.find_version(client, name, number)
    move = Move(
        name,
        now,
        number,
        FIRST if now is None else PROMOTE,
        cut("; ".join(decision.get("reasons", ())), MAX_REASON),
        run_id,
        found.model_md5 if found else "",
        {key: decision[key] for key in _NUMBERS if key in decision}
        | {key: exam[key] for key in _OF_EXAM if key in exam},
    )
    move_champion(client, root, move)
    return True


def _has_rival(client: "MlflowClient", run_id: str, decision: Decision) -> bool:
    """Whether a promotion over the same champion was recorded first, while this row was made.

    On a server two models may be compared with one champion at the same time. The second is compared again.
    """
    mine = client.get_run(run_id)
    recorded = mine.data.tags.get(RECORDED_TAG, "")
    asked = f"attributes.start_time > {mine.info.start_time - _RIVAL_MS}"
    same = ("verdict", "model_name", "champion_before")
    for run in search_runs(client, asked, row=True):
        other = parse_decision(run.data.tags)
        if (
            other is not None
            and other["version"] != decision["version"]
            and all(other[key] == decision[key] for key in same)
            and f"{mine.info.start_time:015d}" <= run.data.tags.get(RECORDED_TAG, "") < recorded
        ):
            return True
    return False


def _settle(client: "MlflowClient", root: Path, run: Any) -> None:
    """Complete what a killed promotion decided, or withdraw it; a promotion that no longer holds goes too."""
    run_id, decision = run.info.run_id, parse_decision(run.data.tags)
    if (
        decision is not None
        and elect(client, run.data.tags[STATE_TAG])[0] == run_id
        and carry_out(client, root, run_id, decision)
    ):
        _log.info("completed a promotion that was interrupted: %s", run.info.run_name)
    else:
        _log.info("removed what an interrupted promotion left: %s", run.info.run_name)
        withdraw(client, run_id)


def _ask_database(database: Path, state: str) -> dict[str, str]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        asked = (DECISION_TAG, name_experiments().rows, STATE_TAG, state)
        return dict(db.execute(_RECORDED, asked).fetchall())


def _ask_server(uri: str, state: str) -> dict[str, str]:
    asked = {
        "experiment_ids": [ask_experiment_id(uri, name_experiments().rows)],
        "filter": f"tags.`{STATE_TAG}` = '{state}' and attributes.status = 'FINISHED'",
        "order_by": ["attributes.start_time ASC"],
        "max_results": 1,
    }
    rows = ask(uri, "runs/search", asked).get("runs", [])
    return {tag["key"]: tag["value"] for row in rows for tag in row["data"]["tags"]}
