"""How the champion moves: a line in the ledger first, then the aliases, at last the tag that says it is done.

A kill between any two steps leaves the alias on the old version or on the new one. Whoever comes next
completes the move, without a second line: a line whose version does not hold it as a tag was not carried out.
The caller holds the model's lock (`model_lock.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PromotionError
from pipeline.tracking import registry
from pipeline.tracking.decisions import CHAMPION_TAG, parse_decision
from pipeline.tracking.ledger import (
    FORCE,
    ROLLBACK,
    Ledger,
    Line,
    Move,
    hash_text,
    open_ledger,
    parse_line,
    read_lines,
)
from pipeline.tracking.runs import search_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

BY_HAND_TAG = "by_hand"  # of a version that a person made champion: who, when and why


def move_champion(client: "MlflowClient", root: Path, move: Move) -> Line:
    """Write a move into the ledger, and carry it out.

    Raises:
        StorageError: the ledger cannot be written; then nothing has moved.
    """
    ledger = open_ledger(client, root, move.model)
    line = ledger.append(move)
    _carry_out(client, ledger, line)
    return line


def settle(client: "MlflowClient", root: Path, model: str) -> Line | None:
    """Complete the last move of a model, if a kill interrupted it; the line of that move, otherwise None.

    Raises:
        PromotionError: that line was not written by Darkroom: it does not follow from the one before.
    """
    ledger = open_ledger(client, root, model)
    lines = read_lines(ledger, model)
    if not lines or not is_pending(client, lines[-1]):
        return None
    _check_origin(ledger, lines[-1])
    _carry_out(client, ledger, lines[-1])
    return lines[-1]


def is_pending(client: "MlflowClient", line: Line) -> bool:
    """Whether a move was not carried out to its end; one to a version that was deleted never will be."""
    tags = registry.read_tags(client, line.move.model, line.move.version)
    is_there = tags is not None and tags.get(registry.MODEL_TAG, "") == line.move.model_md5
    return is_there and line.tag not in (tags or {})


def mark_champion(client: "MlflowClient", run_id: str, model: str) -> None:
    """Let this row alone be marked as that of the champion of a model; a row that is gone, none."""
    if registry.is_active_run(client, run_id):
        client.set_tag(run_id, CHAMPION_TAG, "champion")
    for run in search_runs(client, f"tags.`{CHAMPION_TAG}` = 'champion'", row=True):
        decision = parse_decision(run.data.tags)
        if run.info.run_id != run_id and (decision is None or decision["model_name"] == model):
            client.set_tag(run.info.run_id, CHAMPION_TAG, "former")


def _check_origin(ledger: Ledger, line: Line) -> None:
    """Raise PromotionError if a line does not follow from the one before it: nobody's exam is behind it."""
    texts = ledger.read()
    at = texts.index(line.text)
    before = parse_line(texts[at - 1]) if at else None
    follows = hash_text(texts[at - 1]) if at else ""
    if line.previous != follows or line.n != (before.n if before else at) + 1:
        raise PromotionError(
            f"line {at + 1} of the ledger ({ledger.place}) does not follow from the one before, so its move "
            f"to version {line.move.version} is not carried out; `darkroom registry verify` says "
            "what was changed"
        )


def _carry_out(client: "MlflowClient", ledger: Ledger, line: Line) -> None:
    """The steps after the line; each may be repeated.

    If others have moved the champion meanwhile (this process slept, and its lock was taken for a dead one's),
    their line is the last, and the alias ends where it says.
    """
    while True:
        move = line.move
        champion = registry.find_alias(client, move.model, registry.CHAMPION)
        if champion in (move.before, move.version):  # otherwise it was moved by hand since
            registry.crown(client, move.model, move.version, before=move.before)
        last = read_lines(ledger, move.model)[-1]
        if last.n == line.n:
            break
        line = last
    mark_champion(client, move.row, move.model)
    if move.decision in (ROLLBACK, FORCE):
        said = f"{move.decision} by {line.who}, {line.when}: {move.reason}"
        client.set_model_version_tag(move.model, str(move.version), BY_HAND_TAG, said)
    client.set_model_version_tag(move.model, str(move.version), line.tag, line.text)
