"""Lines of a ledger: what they hold, where they lie, and what a kill in the middle of a line leaves."""

import getpass
import json
import math
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import StorageError
from pipeline.tracking.ledger import (
    MAX_REASON,
    FileLedger,
    Move,
    TagLedger,
    count_unread,
    find_file,
    hash_text,
    open_ledger,
    parse_line,
    read_lines,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

EVIDENCE = {"metric": "accuracy", "gain": 0.02, "gain_low": 0.01, "p": 0.003, "n_common": 600}
FIRST = Move("digits", None, 1, "FIRST", "reaches promote.floors", "run-1", "md5-1")
SECOND = Move("digits", 1, 2, "PROMOTE", "better by more than luck", "run-2", "md5-2", EVIDENCE)


@pytest.fixture
def ledger(tmp_path: Path) -> FileLedger:
    return FileLedger(tmp_path / "ledger.jsonl")


def test_a_line_says_who_when_what_and_why(ledger: FileLedger) -> None:
    ledger.append(FIRST)
    line = ledger.append(SECOND)
    first, second = (json.loads(text) for text in ledger.path.read_text(encoding="utf-8").splitlines())
    assert (first["n"], first["prev"], first["from"], first["to"]) == (1, "", None, 1)
    when = datetime.fromisoformat(second.pop("when"))
    assert when.utcoffset() == timedelta(0)
    assert second.pop("who").startswith(f"{getpass.getuser()}@")
    assert second == {
        "n": 2,
        "prev": hash_text(ledger.read()[0]),
        "model": "digits",
        "from": 1,
        "to": 2,
        "decision": "PROMOTE",
        "evidence": {"row": "run-2", "classifier": "md5-2", **EVIDENCE},
        "reason": "better by more than luck",
    }
    assert parse_line(line.text) == line
    assert read_lines(ledger, "digits")[1] == line


def test_all_models_share_a_file_and_a_chain(ledger: FileLedger) -> None:
    for model in ("digits", "digits-3-classes-abc", "digits"):
        ledger.append(Move(model, None, 1, "FIRST", "why"))
    assert [line.n for line in read_lines(ledger, "digits")] == [1, 3]
    texts = ledger.read()
    assert parse_line(texts[2]).previous == hash_text(texts[1])  # type: ignore[union-attr]


def test_a_reason_stays_one_short_line(ledger: FileLedger) -> None:
    line = ledger.append(Move("m", 2, 1, "ROLLBACK", "so\n\x1b[31m: « größer »" + "x" * 5000))
    assert len(ledger.path.read_text(encoding="utf-8").splitlines()) == 1
    assert line.move.reason.startswith("so\\x0a\\x1b[31m: « größer »x")
    assert len(line.move.reason) == MAX_REASON
    assert parse_line(line.text) == line


def test_a_person_without_a_name_has_a_number(ledger: FileLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert ledger.append(FIRST).who.startswith(f"{os.getuid()}@")


@pytest.mark.parametrize("n", [1, 40, 150])
def test_half_a_line_counts_as_none_and_the_next_takes_its_place(n: int, ledger: FileLedger) -> None:
    """As a power cut in the middle of a write leaves it."""
    ledger.append(FIRST)
    whole = ledger.path.read_bytes()
    ledger.append(SECOND)
    ledger.path.write_bytes(ledger.path.read_bytes()[: len(whole) + n])
    assert len(ledger.read()) == 1
    line = ledger.append(SECOND)
    assert line.n == 2
    assert ledger.path.read_bytes() == whole + line.text.encode() + b"\n"


def test_a_last_line_without_its_end_counts(ledger: FileLedger) -> None:
    """An editor may have taken the end away."""
    line = ledger.append(FIRST)
    ledger.path.write_text(line.text, encoding="utf-8")
    assert ledger.read() == [line.text]
    assert ledger.append(SECOND).previous == hash_text(line.text)
    assert len(ledger.path.read_text(encoding="utf-8").splitlines()) == 2


def test_what_is_there_is_never_written_again(ledger: FileLedger) -> None:
    ledger.append(FIRST)
    damaged = b'{"n": 2, caf\xe9\n'
    ledger.path.write_bytes(ledger.path.read_bytes() + damaged)
    before = ledger.path.read_bytes()
    line = ledger.append(SECOND)
    assert ledger.path.read_bytes().startswith(before)
    assert line.n == 3
    assert [one.n for one in read_lines(ledger, "digits")] == [1, 3]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "{}", '{"n": 1}', "x" * 100, '["' * 50_000],
    ids=["empty", "list", "number", "object", "part", "no-json", "deep"],
)
def test_what_is_no_line_is_none(text: str) -> None:
    assert parse_line(text) is None


@pytest.mark.parametrize(
    "change",
    [
        *(
            {key: value}
            for key in ("n", "to", "from")
            for value in (math.inf, math.nan, 1.5, -1, 0, "1", True)
        ),
        *({key: 10**400} for key in ("n", "to", "from")),
        *({key: "\ud800"} for key in ("decision", "model", "who", "when", "reason", "prev")),
        {"evidence": {"row": "\udfff"}},
        {"evidence": 1},
        {"to": None},
    ],
    ids=str,
)
def test_a_line_with_a_value_that_none_was_written_with_is_damaged(
    change: dict[str, object], ledger: FileLedger
) -> None:
    text = ledger.append(SECOND).text
    assert parse_line(text)
    assert parse_line(json.dumps(json.loads(text) | change)) is None
    assert parse_line(text.replace('"to": 2', '"to": 1e400')) is None


def test_damaged_lines_and_one_that_was_never_finished_are_counted(ledger: FileLedger) -> None:
    assert count_unread(ledger) == 0
    ledger.append(FIRST)
    whole = ledger.path.read_bytes()
    assert count_unread(ledger) == 0
    for content, n in (
        (b"", 0),
        (b"\xef\xbb\xbf" + whole, 1),
        (whole[:40], 1),
        (whole + whole[:40], 1),
        (bytes(range(256)), 2),
        (b"{}\n\n" + whole + b"[]\n", 3),
    ):
        ledger.path.write_bytes(content)
        assert count_unread(ledger) == n, content


def test_a_ledger_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").mkdir()
    for use in (lambda one: one.append(FIRST), FileLedger.read):
        with pytest.raises(StorageError, match=r"ledger\.jsonl cannot be read: a folder lies where the file"):
            use(FileLedger(tmp_path / "ledger.jsonl"))


def test_a_ledger_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"ledger\.jsonl cannot be written"):
        FileLedger(tmp_path / "gone" / "ledger.jsonl").append(FIRST)


def test_it_lies_beside_its_database_and_moves_with_it(
    client: "MlflowClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "project"
    assert find_file(root) == root / "mlflow" / "ledger.jsonl"
    (root / "mlflow").mkdir(parents=True)
    open_ledger(client, root, "digits").append(FIRST)
    moved = root.rename(tmp_path / "moved")
    copy = Path(shutil.copytree(moved, tmp_path / "copy"))
    for place in (moved, copy):
        assert [line.move for line in read_lines(open_ledger(client, place, "digits"), "digits")] == [FIRST]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert find_file(root) == tmp_path / "other.ledger.jsonl"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert find_file(root) is None


def test_git_ignores_it_as_it_does_the_database(repo: Path) -> None:
    """`git stash`, a branch, or `dvc exp run` would take the file back, and the database not."""
    ignored = (repo / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/mlflow/mlflow.db*", "/mlflow/*ledger.jsonl"} <= set(ignored)


def test_a_server_holds_it_in_the_tags_of_the_model(client: "MlflowClient") -> None:
    client.create_registered_model("tagged")
    client.set_registered_model_tag("tagged", "team", "scans")
    ledger = TagLedger(client, "tagged")
    assert ledger.read() == TagLedger(client, "nobody").read() == []
    lines = [ledger.append(Move("tagged", n or None, n + 1, "FORCE", f"reason {n}")) for n in range(12)]
    assert read_lines(ledger, "tagged") == lines
    assert [line.n for line in lines] == list(range(1, 13))
    tags = client.get_registered_model("tagged").tags
    assert tags["ledger.000012"] == lines[-1].text
    assert len(tags) == 13
