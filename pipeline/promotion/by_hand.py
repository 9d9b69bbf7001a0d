"""Moves of the champion that a person asks for: back to an earlier version, or to one that no exam chose."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.characters import escape
from pipeline.errors import ModelError, PromotionError
from pipeline.serving.seal import check_model, check_seal
from pipeline.tracking import registry
from pipeline.tracking.connection import translate_errors
from pipeline.tracking.ledger import FORCE, MAX_REASON, ROLLBACK, Line, Move, open_ledger, read_lines
from pipeline.tracking.model_lock import lock_model
from pipeline.tracking.moves import move_champion, settle
from pipeline.tracking.rows import lock_rows
from pipeline.tracking.stored_models import Address, fetch_classifier, fetch_model, find_model

if TYPE_CHECKING:
    from mlflow import MlflowClient

_N_NAMED = 8  # versions that an error names


@dataclass(frozen=True)
class Wish:
    """What a person asks for.

    Attributes:
        to: the version; None: the champion before this one.
        decision: ROLLBACK or FORCE.
        seen: the version that was champion when the person asked; None: there was none.
    """

    model: str
    to: int | None
    decision: str
    reason: str
    seen: int | None


def roll_back(client: "MlflowClient", root: Path, model: str, *, to: int | None, reason: str) -> Line:
    """Let an earlier version be champion again.

    Args:
        to: its number; None: the champion before this one.

    Returns:
        The line of the ledger.

    Raises:
        PromotionError: there is no champion, no such version, no reason, or others moved it meanwhile.
        TrackingError, ModelError: the files of the version are gone, or were changed.
    """
    return grant(client, root, make_wish(client, model, to, decision=ROLLBACK, reason=reason))


def force(client: "MlflowClient", root: Path, model: str, number: int, *, reason: str) -> Line:
    """Let a version be champion whatever its exam said; otherwise as `roll_back`."""
    return grant(client, root, make_wish(client, model, number, decision=FORCE, reason=reason))


def make_wish(client: "MlflowClient", model: str, to: int | None, *, decision: str, reason: str) -> Wish:
    """A wish as of now. Raises PromotionError where it cannot be granted whatever happens."""
    reason = escape(reason.strip())
    if not 0 < len(reason) <= MAX_REASON:
        raise PromotionError(
            f'a reason of 1 to {MAX_REASON:,} characters is needed: --reason "TEXT"; the ledger keeps it'
        )
    with translate_errors():
        if not registry.list_versions(client, model):
            raise PromotionError(
                f"the registry holds no version of {model!r}; `dvc repro` registers one, --name says another "
                "model"
            )
        seen = registry.find_alias(client, model, registry.CHAMPION)
    return Wish(model, to, decision, reason, seen)


def grant(client: "MlflowClient", root: Path, wish: Wish) -> Line:
    """Move the champion as asked; of a move that a kill interrupted, and is asked for again, the line it has.

    Raises:
        PromotionError, TrackingError, ModelError: as `roll_back`.
    """
    with translate_errors():
        with lock_rows(client, root), lock_model(client, root, wish.model):
            mended = settle(client, root, wish.model)
        if mended:
            return _take_mended(mended, wish)
        _check_champion(client, wish)
        number = _find_target(client, root, wish)
        _check_version(client, root, wish.model, number)  # before the lock: it may fetch files
        with lock_rows(client, root), lock_model(client, root, wish.model):
            _check_champion(client, wish)
            version = registry.find_version(client, wish.model, number)
            if version is None:
                raise PromotionError(
                    f"{wish.model} version {number} was deleted meanwhile; nothing was changed"
                )
            told = (wish.decision, wish.reason, version.run_id, version.model_md5)
            return move_champion(client, root, Move(wish.model, wish.seen, number, *told))


def _take_mended(line: Line, wish: Wish) -> Line:
    """The line of a move that was completed just now. Raises PromotionError if another is asked for."""
    move = line.move
    if (move.decision, move.reason) == (wish.decision, wish.reason) and wish.to in (None, move.version):
        return line
    raise PromotionError(
        f"a move that was interrupted came first, and is completed now: {move.decision} of {move.model} to "
        f"version {move.version}, by {line.who}; run it again if you still want it"
    )


def _check_champion(client: "MlflowClient", wish: Wish) -> None:
    """Raise PromotionError unless the champion is the one that the person saw."""
    champion = registry.find_alias(client, wish.model, registry.CHAMPION)
    if champion != wish.seen:
        raise PromotionError(
            f"somebody else moved the champion of {wish.model} at the same time, from version {wish.seen} to "
            f"{champion}; look at `darkroom registry history`, and run it again if you still want it"
        )


def _find_target(client: "MlflowClient", root: Path, wish: Wish) -> int:
    """The number of the version that is asked for. Raises PromotionError if there is none."""
    if wish.decision == ROLLBACK and wish.seen is None:
        raise PromotionError(f"{wish.model} has no champion to roll back; {_list(client, wish.model)}")
    lines = read_lines(open_ledger(client, root, wish.model), wish.model)
    if wish.decision == ROLLBACK and not _was_champion(client, wish, lines):
        raise PromotionError(
            f"version {wish.to} of {wish.model} was never champion, so nothing goes back to it; `darkroom "
            f"registry promote {wish.to} --force --reason TEXT` makes it champion"
        )
    number = wish.to or _find_before(client, wish, lines)
    if number is None:
        raise PromotionError(
            f"no champion of {wish.model} before version {wish.seen} is recorded, but those that were rolled "
            f"back; name a version: --to N; {_list(client, wish.model)}"
        )
    if number == wish.seen:
        raise PromotionError(f"version {number} is champion of {wish.model} already; nothing was changed")
    return number


def _was_champion(client: "MlflowClient", wish: Wish, lines: Sequence[Line]) -> bool:
    """Whether the version that is asked for was champion, or may have been before there was a ledger."""
    known = {number for one in lines for number in (one.move.before, one.move.version)}
    if wish.to is None or wish.to in known:
        return True
    tags = registry.read_tags(client, wish.model, wish.to) or {}
    return tags.get("verdict") not in ("HOLD", "REJECT")


def _find_before(client: "MlflowClient", wish: Wish, lines: Sequence[Line]) -> int | None:
    """The champion before this one that was not itself rolled back; None if none is known."""
    champions: list[int] = []
    for move in (one.move for one in lines):
        if move.before is not None and champions[-1:] != [move.before]:
            champions.append(move.before)  # that came by no line: it is older, or was moved by hand
        if move.decision == ROLLBACK and move.version in champions:
            del champions[champions.index(move.version) + 1 :]
        else:
            champions.append(move.version)
    if not champions:
        return registry.find_alias(client, wish.model, registry.PREVIOUS)
    if champions[-1] == wish.seen:
        champions.pop()
    return champions[-1] if champions else None


def _check_version(client: "MlflowClient", root: Path, model: str, number: int) -> None:
    """Raise an error unless a version may be champion: Darkroom's, of the champion's classes, and whole."""
    tags = registry.read_tags(client, model, number)
    found = find_model(root, Address(model, number=number))
    if tags is None or found is None:
        raise PromotionError(f"{model} has no version {number}; {_list(client, model)}")
    if registry.RUN_TAG not in tags:
        raise PromotionError(
            f"{model} version {number} was not registered by Darkroom, so its test answers are not known; it "
            "does not become champion"
        )
    theirs = registry.read_classes(client, model)
    if theirs and tags.get(registry.CLASSES_TAG, theirs) != theirs:
        raise PromotionError(
            f"{model} version {number} tells other classes apart than the champion, and whoever serves the "
            "champion would be served them; set promote.model_name to keep both"
        )
    try:
        check_seal(fetch_classifier(root, found), found.seal)
        check_model(fetch_model(root, found), found.model_seal)
    except ModelError as error:
        raise ModelError(f"{model} version {number} does not become champion: {error}") from None


def _list(client: "MlflowClient", model: str) -> str:
    """The newest versions, in words."""
    numbers = sorted((int(one.version) for one in registry.list_versions(client, model)), reverse=True)
    named = ", ".join(map(str, numbers[:_N_NAMED]))
    return f"the registry holds {named}{', ...' if len(numbers) > _N_NAMED else ''}"
