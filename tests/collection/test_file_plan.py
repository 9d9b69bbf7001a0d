"""What becomes of each file: copies are settled, decisions obeyed, every file accounted for."""

from typing import Any

import pyarrow as pa
import pytest

from pipeline.collection.file_plan import File, explain_label, find_obstacle, find_unused, plan_files
from pipeline.collection.overrides import Override
from pipeline.errors import DataError
from pipeline.refusals import OVERRULABLE, REASONS, Refusal
from pipeline.tables.raw_manifest import RAW_MANIFEST


def make_row(key: str, image_id: str | None, source_split: str = "", reason: str = "") -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(RAW_MANIFEST.names)
    return empty | {
        "id": image_id,
        "key": key,
        "label": key.rpartition("/")[0].rpartition("/")[2],
        "source_split": source_split,
        "reason": reason,
        "detail": "as found" if reason else "",
        "repairs": [],
    }


def plan(files: list[tuple[Any, ...]], *overrides: Override) -> dict[str, File]:
    """The plan of (key, id, source_split, reason), in a source with the classes x, y, z and spare."""
    table = pa.Table.from_pylist([make_row(*file) for file in files], schema=RAW_MANIFEST)
    return plan_files(table, overrides, ("x", "y", "z", "spare"))


def describe(files: dict[str, File]) -> dict[str, str]:
    """Each file's class, or the reason why it is quarantined."""
    return {key: file.reason or f"as {file.label}" for key, file in files.items()}


def explain(file: File) -> str:
    """The detail of a file's refusal."""
    assert file.refusal
    return file.refusal.detail


A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("files", "kept", "reasons"),
    [
        pytest.param([("x/1", A), ("x/2", B)], {"x/1", "x/2"}, set(), id="no copies"),
        pytest.param([("x/2", A), ("x/1", A)], {"x/1"}, {"duplicate"}, id="the smallest key is kept"),
        pytest.param(
            [("train/x/1", A, "train"), ("val/x/1", A, "val"), ("test/x/1", A, "test")],
            {"test/x/1"},
            {"duplicate"},
            id="the source's test set is kept whole",
        ),
        pytest.param(
            [("train/x/1", A, "train"), ("val/x/1", A, "val")],
            {"val/x/1"},
            {"duplicate"},
            id="then validation",
        ),
        pytest.param([("x/1", A), ("y/1", A), ("y/2", A)], set(), {"conflicting_labels"}, id="labels differ"),
        pytest.param(
            [("x/1", A), ("y/1", A, "", "truncated")], {"x/1"}, {"truncated"}, id="a bad file is no copy"
        ),
    ],
)
def test_copies(files: list[tuple[str, ...]], kept: set[str], reasons: set[str]) -> None:
    table = pa.Table.from_pylist([make_row(*file) for file in files], schema=RAW_MANIFEST)
    planned = plan_files(table)
    assert {key for key, file in planned.items() if not file.reason} == kept
    assert {file.reason for file in planned.values() if file.reason} == reasons
    assert sorted(file.at for file in planned.values() if file.at >= 0) == list(range(len(kept)))


def test_the_detail_of_a_copy_names_the_others() -> None:
    files = [("x/1", A), ("x/2", A), ("y/1", B), ("z/1", B)]
    planned = plan_files(pa.Table.from_pylist([make_row(*file) for file in files], schema=RAW_MANIFEST))
    assert planned["x/2"].refusal == Refusal("duplicate", "the same bytes as x/1, which is kept")
    assert explain(planned["y/1"]) == "the same bytes under labels that differ: y/1 (y), z/1 (z)"


def test_two_files_of_one_key_are_an_error() -> None:
    with pytest.raises(DataError, match="two files have the key 'x/1'"):
        plan_files(pa.Table.from_pylist([make_row("x/1", A), make_row("x/1", B)], schema=RAW_MANIFEST))


BAD = ("x/1", A, "", "truncated")


@pytest.mark.parametrize(
    ("files", "override", "expected"),
    [
        pytest.param(
            [("x/1", A), ("x/2", B)], (A, "x/1", "drop"), {"x/1": "dropped", "x/2": "as x"}, id="drop"
        ),
        pytest.param([("x/new", A)], (A, "x/old", "drop"), {"x/new": "dropped"}, id="drop a renamed file"),
        pytest.param(
            [("x/1", A), ("x/2", A)], ("", "x/1", "drop"), {"x/1": "dropped", "x/2": "dropped"}, id="copies"
        ),
        pytest.param(
            [("x/1", A), ("y/1", A)], (A, "x/1", "drop"), {"x/1": "dropped", "y/1": "dropped"}, id="both"
        ),
        pytest.param([BAD], (A, "x/1", "drop"), {"x/1": "truncated"}, id="drop what is quarantined"),
        pytest.param(
            [("x/1", None, "", "unreadable")], ("", "x/1", "drop"), {"x/1": "unreadable"}, id="no id"
        ),
        *(
            pytest.param(
                [("x/1", A, "", reason)], (A, "x/1", "restore"), {"x/1": "as x"}, id=f"restore {reason}"
            )
            for reason in ("too_small", "animated", "low_information")
        ),
        pytest.param([("x/1", A)], (A, "x/1", "restore"), {"x/1": "as x"}, id="restore what is kept"),
        pytest.param(
            [("x/1", A, "", "too_small"), ("x/2", A, "", "too_small")],
            (A, "x/2", "restore"),
            {"x/1": "as x", "x/2": "duplicate"},
            id="restored copies are one picture",
        ),
        pytest.param(
            [("x/1", A), ("x/2", A), ("y/1", A), ("z/1", A)],
            (A, "y/1", "restore"),
            {
                "x/1": "conflicting_labels",
                "x/2": "conflicting_labels",
                "y/1": "as y",
                "z/1": "conflicting_labels",
            },
            id="restore one of a conflict",
        ),
        pytest.param(
            [("x/1", A), ("y/1", A), ("y/2", A)],
            (A, "y/2", "restore"),
            {"x/1": "conflicting_labels", "y/1": "duplicate", "y/2": "as y"},
            id="it is the one that was named",
        ),
        pytest.param([("x/1", A)], (A, "x/1", "relabel", "y"), {"x/1": "as y"}, id="relabel"),
        pytest.param(
            [("x/1", A)], (A, "x/1", "relabel", "spare"), {"x/1": "as spare"}, id="to an empty class"
        ),
        pytest.param(
            [("1", A, "", "no_label")], (A, "1", "relabel", "y"), {"1": "as y"}, id="relabel a stray"
        ),
        pytest.param(
            [("x/1", A), ("y/1", A)],
            (A, "x/1", "relabel", "z"),
            {"x/1": "as z", "y/1": "duplicate"},
            id="relabel a conflict",
        ),
        pytest.param(
            [("train/x/1", A, "train"), ("test/y/1", A, "test")],
            (A, "train/x/1", "relabel", "x"),
            {"train/x/1": "duplicate", "test/y/1": "as x"},
            id="the source's test set is kept whole",
        ),
        pytest.param([("x/1", A)], (B, "x/1", "drop"), {"x/1": "as x"}, id="other bytes by now"),
    ],
)
def test_decisions(files: list[tuple[Any, ...]], override: tuple[str, ...], expected: dict[str, str]) -> None:
    found = plan(files, Override(*override))
    assert describe(found) == expected
    on = [file.at for file in found.values() if not file.reason]
    assert sorted(on) == list(range(len(on)))
    assert all(file.at == -1 for file in found.values() if file.reason)


def test_a_restored_file_is_marked_for_its_repairs() -> None:
    found = plan([("x/1", A, "", "animated"), ("x/2", B)], Override(A, "", "restore"))
    assert [file.is_restored for file in found.values()] == [True, False]


def test_the_detail_names_the_note_and_the_file_that_was_chosen() -> None:
    dropped = plan([("x/1", A)], Override(A, "x/1", "drop", note="blurry, twice"))
    chosen = plan([("x/1", A), ("y/1", A)], Override(A, "y/1", "restore"))
    assert explain(dropped["x/1"]) == "blurry, twice"
    assert explain(chosen["x/1"]) == "the same bytes as y/1, restored as y"


@pytest.mark.parametrize(
    ("files", "overrides", "message"),
    [
        pytest.param(
            [BAD],
            [(A, "x/1", "restore")],
            "x/1 cannot be restored: it is truncated .as found., and only",
            id="bad",
        ),
        pytest.param(
            [BAD], [(A, "x/1", "relabel", "y")], "x/1 cannot be relabelled: it is truncated", id="bad too"
        ),
        pytest.param(
            [("1", A, "", "no_label")],
            [(A, "1", "restore")],
            "1 cannot be restored: it has no class; say which with `darkroom quarantine relabel",
            id="no class",
        ),
        pytest.param(
            [("x/1", A), ("y/1", A)],
            [(A, "x/gone", "restore")],
            "x/1 cannot be restored: the same bytes under labels that differ: .*; name the one to keep",
            id="a conflict whose file was renamed",
        ),
        pytest.param(
            [("x/1", A)],
            [(A, "x/1", "relabel", "spar")],
            "relabel x/1: 'spar' is no class folder of the source .did you mean spare",
            id="no such class",
        ),
        pytest.param(
            [("x/1", A), ("x/2", A)],
            [(A, "x/1", "drop"), ("", "x/2", "restore")],
            "x/2 and x/1 are the same picture, and it is decided twice .restore, drop.",
            id="twice",
        ),
    ],
)
def test_what_cannot_be_obeyed_is_an_error(
    files: list[tuple[Any, ...]], overrides: list[tuple[str, ...]], message: str
) -> None:
    with pytest.raises(DataError, match=f"^overrides.csv: {message}") as caught:
        plan(files, *(Override(*override) for override in overrides))
    assert "\n" not in str(caught.value)


def test_a_decision_about_another_source_may_name_a_class_of_that_source() -> None:
    gone = Override(B, "z/1", "relabel", "z")
    files = plan([("x/1", A)], gone)
    assert describe(files) == {"x/1": "as x"}
    assert find_unused(files, [gone]) == [gone]


def test_a_key_is_found_in_either_encoding() -> None:
    typed, held = "x/caf\xe9", "x/cafe\u0301"
    decision = Override("", typed, "drop")
    files = plan([(held, A), ("x/2", B)], decision)
    assert describe(files) == {held: "dropped", "x/2": "as x"}
    assert find_unused(files, [decision]) == []
    assert find_unused(files, [Override("", "x/caf\xea", "drop")]) != []


def test_unused_decisions_are_those_that_match_no_file() -> None:
    files = plan([("x/1", A), ("x/2", None, "", "unreadable")])
    used = [Override(A, "renamed", "drop"), Override("", "x/2", "drop")]
    idle = [Override(B, "x/1", "drop"), Override("", "x/3", "drop")]
    assert find_unused(files, [*used, *idle]) == idle


@pytest.mark.parametrize("action", ["restore", "relabel"])
def test_only_what_can_be_decoded_can_be_had_back(action: str) -> None:
    refused = {
        reason
        for reason in REASONS
        if find_obstacle(File("a", "x/1", "x", "", Refusal(reason, "detail"), ()), action)
    }
    assert refused == {*REASONS} - {*OVERRULABLE, "dropped", *(["duplicate"] if action == "relabel" else [])}


def test_labels_are_named_where_none_is_near() -> None:
    assert explain_label("q", ("x", "y")).startswith("'q' is no class folder of the source (allowed: x, y)")
