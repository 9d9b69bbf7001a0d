"""The ledger: who moved the alias `champion`, when, from which version to which, on what evidence, and why.

A line is JSON, and holds the sha256 of the line before it. So a line that was changed, removed or put
elsewhere is found (`ledger_check.py`). A line is written before the alias moves, and never again. Beside a
local database the ledger is one file for all models. On a server it is in the tags of each registered model,
a line a tag.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.characters import cut, escape
from pipeline.errors import StorageError, explain_unread
from pipeline.storage import sync_folder, translate_errors
from pipeline.tracking.connection import find_database, is_missing
from pipeline.tracking.processes import name_user

if TYPE_CHECKING:
    from mlflow import MlflowClient

FIRST, PROMOTE, ROLLBACK, FORCE = "FIRST", "PROMOTE", "ROLLBACK", "FORCE"
MAX_REASON = 1000  # characters
MAX_NUMBER = 2**31 - 1  # of a version: what the database of a registry can hold
_MAX_WHO = 200
_FILE = "ledger.jsonl"
_TAG = re.compile(r"ledger\.(\d{6,})")
_KEYS = {"n", "prev", "when", "who", "model", "from", "to", "decision", "evidence", "reason"}


@dataclass(frozen=True)
class Move:
    """A move of the champion that is decided.

    Attributes:
        before: the version that was champion; None while there was none.
        decision: FIRST, PROMOTE, ROLLBACK or FORCE.
        row: the run of the row that the version belongs to.
        model_md5: DVC's md5 of the model: a number may be given again where a registered model was deleted.
        evidence: the numbers of the exam; empty where a person decided.
    """

    model: str
    before: int | None
    version: int
    decision: str
    reason: str
    row: str = ""
    model_md5: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A line of a ledger; `text` is what is stored, without its end."""

    n: int
    previous: str
    when: str
    who: str
    move: Move
    text: str

    @property
    def tag(self) -> str:
        """The key of the tag that holds this line."""
        return f"ledger.{self.n:06d}"


class Ledger(Protocol):
    """Where the lines are."""

    @property
    def place(self) -> str:
        """In words."""

    def read(self) -> list[str]:
        """The texts of all lines, in order, damaged ones too."""

    def append(self, move: Move) -> Line:
        """Write a line; it is there for good when this returns. The caller holds the model's lock."""


@dataclass(frozen=True)
class FileLedger:
    """The ledger of a local database: a file beside it.

    A line that a killed process left half-written counts as none, and the next one takes its place.
    """

    path: Path

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.path)

    def read(self) -> list[str]:
        """As `Ledger.read`."""
        return _split(self._read_bytes())[0]

    def append(self, move: Move) -> Line:
        """As `Ledger.append`.

        Raises:
            StorageError: it cannot be read or written.
        """
        before = self._read_bytes()
        texts = _split(before)[0]
        kept = b"".join(_encode(text) + b"\n" for text in texts)
        line = _make_line(move, texts)
        with translate_errors(self.path), self.path.open("ab") as file:
            if len(kept) < len(before):
                file.truncate(len(kept))  # half a line
            file.write(kept[len(before) :] + _encode(line.text) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            sync_folder(self.path.parent)
        return line

    @property
    def is_cut(self) -> bool:
        """Whether the last line was never finished."""
        return bool(_split(self._read_bytes())[1])

    def _read_bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise StorageError(explain_unread(self.path, error)) from None


@dataclass(frozen=True)
class TagLedger:
    """The ledger of one registered model on a server: its tags."""

    client: "MlflowClient"
    model: str

    @property
    def place(self) -> str:
        """The model."""
        return f"the tags of {self.model}"

    def read(self) -> list[str]:
        """As `Ledger.read`; a model that does not exist has no line."""
        from mlflow.exceptions import MlflowException

        try:
            return list(list_tagged(self.client.get_registered_model(self.model).tags).values())
        except MlflowException as error:
            if not is_missing(error):
                raise
            return []

    def append(self, move: Move) -> Line:
        """As `Ledger.append`."""
        line = _make_line(move, self.read())
        self.client.set_registered_model_tag(self.model, line.tag, line.text)
        return line


def open_ledger(client: "MlflowClient", root: Path, model: str) -> Ledger:
    """The ledger that holds the lines of a model."""
    path = find_file(root)
    return FileLedger(path) if path else TagLedger(client, model)


def find_file(root: Path) -> Path | None:
    """The file of a local database's ledger, whether it exists or not; None for a server."""
    database = find_database(root)
    if database is None:
        return None
    return database.with_name(_FILE if database.name == "mlflow.db" else f"{database.stem}.{_FILE}")


def list_tagged(tags: Mapping[str, str]) -> dict[int, str]:
    """The texts of the lines that tags hold, by number, in order."""
    numbered = {int(found[1]): text for key, text in tags.items() if (found := _TAG.fullmatch(key))}
    return dict(sorted(numbered.items()))


def parse_line(text: str) -> Line | None:
    """A line as it was written; None if it is damaged."""
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # half a pair of UTF-16 is no character
        before = found["from"]
        numbers = (found["n"], found["to"], *(() if before is None else (before,)))
        if found.keys() != _KEYS or not all(map(_is_number, numbers)):
            return None
        evidence = dict(found["evidence"])
        row, model_md5 = (str(evidence.pop(key, "")) for key in ("row", "classifier"))
        move = Move(
            str(found["model"]),
            before,
            found["to"],
            str(found["decision"]),
            str(found["reason"]),
            row,
            model_md5,
            evidence,
        )
        return Line(found["n"], str(found["prev"]), str(found["when"]), str(found["who"]), move, text)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _is_number(value: object) -> bool:
    """Whether a value can be the number of a line or of a version."""
    return type(value) is int and 0 < value <= MAX_NUMBER


def count_unread(ledger: Ledger) -> int:
    """How many lines are damaged, or were never finished."""
    n_damaged = sum(parse_line(text) is None for text in ledger.read())
    return n_damaged + (isinstance(ledger, FileLedger) and ledger.is_cut)


def read_lines(ledger: Ledger, model: str) -> list[Line]:
    """The lines about a model, in order, without damaged ones."""
    found = (parse_line(text) for text in ledger.read())
    return [one for one in found if one is not None and one.move.model == model]


def hash_text(text: str) -> str:
    """The sha256 of a line; "" of no line."""
    return hashlib.sha256(_encode(text)).hexdigest() if text else ""


def _make_line(move: Move, texts: Sequence[str]) -> Line:
    """The line after others, by whoever runs this."""
    from datetime import UTC, datetime

    last = next((one for text in reversed(texts) if (one := parse_line(text))), None)
    n = max(last.n if last else 0, len(texts)) + 1
    previous = hash_text(texts[-1]) if texts else ""
    when, who = datetime.now(UTC).isoformat(timespec="seconds"), _name_person()
    reason = cut(escape(move.reason), MAX_REASON)
    values = {
        "n": n,
        "prev": previous,
        "when": when,
        "who": who,
        "model": move.model,
        "from": move.before,
        "to": move.version,
        "decision": move.decision,
        "evidence": {"row": move.row, "classifier": move.model_md5, **move.evidence},
        "reason": reason,
    }
    text = json.dumps(values, ensure_ascii=False)
    return Line(n, previous, when, who, replace(move, reason=reason), text)


def _name_person() -> str:
    """user@host of this process."""
    import socket

    return cut(escape(f"{name_user()}@{socket.gethostname()}"), _MAX_WHO)


def _split(content: bytes) -> tuple[list[str], str]:
    """The texts of the lines of a file, and what there is of one that was never finished."""
    *texts, end = content.decode("utf-8", "surrogateescape").split("\n")
    return ([*texts, end], "") if parse_line(end) else (texts, end)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
