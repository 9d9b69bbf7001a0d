"""The quarantine for people: naming files, deciding, taking back; what is written and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.collection.demos import encode_grey_png
from pipeline.collection.overrides import Override, read_overrides, write_overrides
from pipeline.collection.quarantine import (
    State,
    decide,
    describe_counts,
    find,
    list_files,
    show,
    undo,
    write_list,
)
from pipeline.errors import DataError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import open_source
from pipeline.stages import validate
from pipeline.tables.parquet import read_table, write_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.raw_manifest import RAW_MANIFEST

WHITE = encode_grey_png([b"\xff" * 8] * 8)
ParamsOf = Callable[..., Params]
Look = Callable[[], State]


@pytest.fixture
def look(project: Paths, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch) -> Look:
    """`look()`: the state of a messy project, read again; validate has seen it once."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    for name, data in {
        "line/bad.png": b"no image",
        "line/copy.png": (project.raw / "line" / "0.png").read_bytes(),
        "circle/both.png": WHITE,
        "square/both.png": WHITE,
        "line/small.png": encode_grey_png([b"\0\1"] * 2),
        "stray.png": encode_grey_png([b"\7" * 8] * 8),
    }.items():
        (project.raw / name).write_bytes(data)
    (project.raw / "empty").mkdir()
    limits = {"max_pixels": 10**6, "min_side_px": 4, "min_local_contrast": 0, "max_seconds_per_file": 5}
    params = params_of(data={"ignore": [".*"]}, validate={"formats": ["PNG"]} | limits)
    source = open_source(project.raw, params.data)
    manifest = validate.build_manifest(source, params)
    write_table(manifest, project.raw_manifest)
    write_table(validate.count_classes(manifest, source.labels), project.raw_classes)
    return lambda: State.read(project)


def test_a_list_for_a_spreadsheet_holds_no_formula(look: Look, tmp_path: Path) -> None:
    first = next(iter(list_files(look())))
    write_list([replace(first, key="=1+1/a.png", label="@SUM(1)")], tmp_path / "away.csv")
    line = (tmp_path / "away.csv").read_text().splitlines()[1]
    assert line.startswith("'=1+1/a.png,'@SUM(1),")


def find_id(state: State, key: str) -> str:
    return str(state.undecided[key].id)


def read_written(project: Paths) -> list[tuple[str, str, str]]:
    return [(one.key, one.action, one.label) for one in read_overrides(project.overrides)]


def test_what_is_quarantined_is_listed_before_clean_has_run(look: Look) -> None:
    found = list_files(look())
    assert {file.key: file.reason for file in found} == {
        "circle/both.png": "conflicting_labels",
        "line/bad.png": "not_an_image",
        "line/copy.png": "duplicate",
        "line/small.png": "too_small",
        "square/both.png": "conflicting_labels",
        "stray.png": "no_label",
    }
    said = "6 files: conflicting_labels 2, not_an_image 1, duplicate 1, too_small 1, no_label 1"
    assert describe_counts(found) == said
    assert describe_counts(found[:1]) == "1 file: conflicting_labels 1"
    assert [file.key for file in list_files(look(), reason="conflicting_labels", label="square")] == [
        "square/both.png"
    ]


def test_what_failed_only_in_clean_is_listed_too(look: Look, project: Paths) -> None:
    rows = [
        {"id": find_id(look(), "line/1.png"), "key": "line/1.png", "reason": "corrupt"},
        {"id": find_id(look(), "line/2.png"), "key": "line/2.png", "reason": "dropped"},  # taken back since
        {"id": "0" * 64, "key": "line/3.png", "reason": "corrupt"},  # other bytes since
    ]
    filled = [row | {"label": "line", "source_split": "", "detail": ""} for row in rows]
    write_table(QUARANTINE.empty_table().from_pylist(filled, schema=QUARANTINE), project.quarantine)
    keys = [file.key for file in list_files(look(), label="line")]
    assert keys == ["line/1.png", "line/bad.png", "line/copy.png", "line/small.png"]


def test_a_file_is_found_by_key_path_and_id(
    look: Look, project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = look()
    monkeypatch.chdir(project.root / "data")
    bad = find_id(state, "line/bad.png")
    for word in (
        "line/bad.png",
        "raw/line/bad.png",
        "./raw/line/bad.png",
        "./line/bad.png",
        "line//bad.png",
        ".//circle/../line/bad.png",
        str(project.raw / "line" / "bad.png"),
        bad,
        bad[:9].upper(),
    ):
        assert [file.key for file in find(state, word)] == ["line/bad.png"], word
    both = [file.key for file in find(state, find_id(state, "square/both.png"))]
    assert sorted(both) == ["circle/both.png", "square/both.png"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        pytest.param(
            "BAD.png", "BAD.png is not a file of the source .did you mean line/bad.png", id="by name"
        ),
        pytest.param("line/smal.png", "did you mean line/small.png", id="by spelling"),
        pytest.param("f" * 64, "is not a file of the source; give a key or an id", id="an id of nothing"),
    ],
)
def test_an_unknown_file_is_named_with_the_nearest(look: Look, word: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find(look(), word)


def test_the_start_of_several_ids_is_refused(look: Look, project: Paths) -> None:
    table = read_table(project.raw_manifest, RAW_MANIFEST)
    ids = [f"abcd{i:060x}" for i in range(len(table))]
    column = table.schema.get_field_index("id")
    write_table(table.set_column(column, "id", [ids]), project.raw_manifest)
    with pytest.raises(DataError, match="the ids of 36 pictures begin with abcd; give more digits"):
        find(look(), "abcd")


@pytest.mark.parametrize(
    ("action", "words", "label", "expected"),
    [
        pytest.param("restore", ["line/small.png"], "", [("line/small.png", "restore", "")], id="restore"),
        pytest.param("restore", ["square/both.png"], "", [("square/both.png", "restore", "")], id="conflict"),
        pytest.param("restore", ["line/1.png"], "", [], id="what is kept"),
        pytest.param(
            "drop",
            ["line/2.png", "line/1.png", "line/2.png"],
            "",
            [("line/1.png", "drop", ""), ("line/2.png", "drop", "")],
            id="drop several",
        ),
        pytest.param(
            "drop", ["line/copy.png", "line/0.png"], "", [("line/copy.png", "drop", "")], id="copies"
        ),
        pytest.param("relabel", ["stray.png"], "empty", [("stray.png", "relabel", "empty")], id="relabel"),
        pytest.param("relabel", ["line/1.png"], "line", [], id="to its own class"),
    ],
)
def test_decisions_are_written_once(
    look: Look,
    project: Paths,
    action: str,
    words: list[str],
    label: str,
    expected: list[tuple[str, str, str]],
) -> None:
    said = decide(look(), words, action=action, label=label, note="why\nso")
    assert read_written(project) == expected
    assert ("`dvc repro` now runs clean" in said[-1]) == bool(expected)
    before = project.overrides.read_bytes() if expected else b""
    assert decide(look(), words, action=action, label=label)[-1].endswith("nothing was changed")
    assert not expected or project.overrides.read_bytes() == before
    assert all(one.note == "why so" for one in read_overrides(project.overrides))


def test_an_opposite_decision_replaces_the_earlier(look: Look, project: Paths) -> None:
    decide(look(), ["line/1.png", "line/small.png"], action="drop")
    said = decide(look(), ["line/1.png", "line/small.png"], action="restore")
    assert said[:2] == ["line/1.png: kept as line", "line/small.png: kept as line"]
    assert read_written(project) == [("line/small.png", "restore", "")]
    decide(look(), ["line/small.png"], action="relabel", label="circle")
    assert read_written(project) == [("line/small.png", "relabel", "circle")]


def test_another_of_a_conflict_can_be_restored_instead(look: Look, project: Paths) -> None:
    decide(look(), ["square/both.png"], action="restore")
    assert decide(look(), [find_id(look(), "circle/both.png")], action="drop")[0].startswith(
        "square/both.png: "
    )
    decide(look(), ["square/both.png"], action="restore")
    said = decide(look(), ["circle/both.png"], action="restore")
    assert said[0] == "circle/both.png: kept as circle"
    assert read_written(project) == [("circle/both.png", "restore", "")]


@pytest.mark.parametrize(
    ("action", "words", "label", "message"),
    [
        pytest.param(
            "restore", ["line/bad.png"], "", "line/bad.png cannot be restored: it is not_an_image", id="bad"
        ),
        pytest.param(
            "relabel", ["line/bad.png"], "circle", "line/bad.png cannot be relabelled", id="bad too"
        ),
        pytest.param(
            "restore", ["line/copy.png"], "", "it is the same bytes as line/0.png, which is kept", id="copy"
        ),
        pytest.param("restore", ["stray.png"], "", "it has no class; say which", id="no class"),
        pytest.param(
            "relabel", ["line/1.png"], "squar", "'squar' is no class folder .* mean square", id="class"
        ),
        pytest.param(
            "restore",
            ["circle/both.png", "square/both.png"],
            "",
            "have the same bytes; only one of them",
            id="both",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    look: Look, project: Paths, action: str, words: list[str], label: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        decide(look(), ["line/small.png", *words], action=action, label=label)
    assert "\n" not in str(caught.value)
    assert read_overrides(project.overrides) == []


def test_an_id_that_stands_for_two_labels_must_be_a_key(look: Look) -> None:
    state = look()
    with pytest.raises(DataError, match=r"2 files under different labels: .*; name one by its key"):
        decide(state, [find_id(state, "square/both.png")], action="restore")


def test_undo_takes_out_and_says_what_is_then(look: Look, project: Paths) -> None:
    decide(look(), ["line/1.png", "line/2.png", "line/copy.png"], action="drop")
    said = undo(look(), ["line/1.png", "line/0.png"])
    assert said[:2] == ["line/1.png: kept as line", "line/0.png: kept as line"]
    assert read_written(project) == [("line/2.png", "drop", "")]
    assert undo(look(), ["line/1.png"])[-1].endswith("nothing was changed")
    with pytest.raises(DataError, match="line/99 is not a file"):
        undo(look(), ["line/99"])


def test_undo_takes_out_what_is_gone_and_what_cannot_be(look: Look, project: Paths) -> None:
    gone, bad = Override("0" * 64, "was/here.png", "drop"), Override("", "line/bad.png", "restore")
    write_overrides([gone, bad], project.overrides)
    with pytest.raises(DataError, match=r"line/bad.png cannot be restored"):
        decide(look(), ["line/1.png"], action="drop")
    undo(look(), ["line/bad.png"])
    assert read_written(project) == [("was/here.png", "drop", "")]
    undo(look(), ["was/here.png"])
    assert read_written(project) == []


def test_show_draws_what_can_be_decoded_and_says_what_is_known(
    look: Look, project: Paths, tmp_path: Path
) -> None:
    state = look()
    decide(state, ["line/1.png"], action="drop", note="dull")
    facts = show(look(), ["line/1.png", "line/bad.png", "stray.png"], tmp_path / "s.png")
    dropped, bad, stray = facts
    assert (dropped["width"], dropped["verdict"], dropped["now"]) == (8, "kept", "quarantined, dropped: dull")
    assert (bad["reason"], bad["now"][:12]) == ("not_an_image", "quarantined,")
    assert "width" not in bad
    assert stray["format"] == "PNG"
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size[0] > 900


def test_nothing_is_decided_before_validate_has_run(project: Paths) -> None:
    with pytest.raises(DataError, match=r"manifest.parquet does not exist; run `dvc repro`"):
        State.read(project)
