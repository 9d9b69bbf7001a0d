"""Tables of labels beside the source: what joins the collection, what waits, and what is refused in words."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.collection.quarantine import State, show
from pipeline.errors import SourceError
from pipeline.metrics_file import divide_metrics
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import Record, Source, list_labelled, open_collection, stamp_collection
from pipeline.stages import clean, validate
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tracking.runs import Untracked

ParamsOf = Callable[..., Params]


def scan(shade: int) -> bytes:
    return encode_grey_png([bytes([shade, 255 - shade] * 4)] * 8)


@pytest.fixture
def labelled(project: Paths) -> Path:
    """The folder `data/labels` of a project, with three pictures and no table."""
    folder = project.root / "data/labels"
    for i, name in enumerate("abc"):
        (folder / "queue" / f"{name}.png").parent.mkdir(parents=True, exist_ok=True)
        (folder / "queue" / f"{name}.png").write_bytes(scan(i))
    return folder


def open_at(paths: Paths, params_of: ParamsOf, **data: Any) -> Source:
    return open_collection(paths.root, params_of(data=data).data)


def find_new(source: Source) -> dict[str, Record]:
    """The records that are not of the source's class folders."""
    records = {record.key: record for record in source.stream_records()}
    assert len(records) == len(source)
    return {key: record for key, record in records.items() if key.split("/")[0] not in source.labels}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(
            "queue.csv", "path,label,answer\nqueue/a.png,line,circle\nqueue/b.png,,line\n", id="comma"
        ),
        pytest.param("q.csv", "path;label\nqueue/a.png;line\nqueue/b.png;\n", id="semicolon"),
        pytest.param("q.tsv", "pathname\tclass\nqueue/a.png\tline\nqueue/b.png\t\n", id="tab"),
        pytest.param(
            "q.csv", "\ufeffpath,label\r\nqueue/a.png,line\r\nqueue/b.png,\r\n", id="a spreadsheet's"
        ),
        pytest.param(
            "q.csv", "path,label\ndata/labels/queue/a.png,line\nqueue/b.png,\n", id="from the project"
        ),
        pytest.param("q.csv", "path,label\n./queue/../queue/a.png,line\nqueue/b.png,\n", id="dots"),
        pytest.param("q.csv", "path,label\nqueue\\a.png,line\nqueue/b.png,\n", id="backslashes"),
        pytest.param("q.csv", "path,label\n{labels}/queue/a.png,line\nqueue/b.png,\n", id="absolute"),
        pytest.param(
            "q.jsonl", '{{"path": "queue/a.png", "label": "line"}}\n{{"path": "queue/b.png"}}\n', id="json"
        ),
        pytest.param("q.csv", "sep=;\npath;label\nqueue/a.png;line\nqueue/b.png;\n", id="Excel's first line"),
        pytest.param("q.csv", "SEP=\t\r\npath\tlabel\r\nqueue/a.png\tline\r\nqueue/b.png\t", id="its tab"),
        pytest.param("deep/q.csv", "path,label\n../queue/a.png,line\n../queue/b.png,\n", id="a table below"),
    ],
)
def test_a_row_with_a_label_is_a_picture_and_one_without_waits(
    name: str, text: str, labelled: Path, project: Paths, params_of: ParamsOf
) -> None:
    (labelled / name).parent.mkdir(exist_ok=True)
    text = text.replace("{{", "{").replace("}}", "}").replace("{labels}", str(labelled))
    (labelled / name).write_text(text)
    source = open_at(project, params_of)
    assert find_new(source) == {
        "data/labels/queue/a.png": Record("data/labels/queue/a.png", "line", "", scan(0), None, "")
    }
    assert (len(source), source.n_waiting, source.labels) == (31, 1, ("circle", "line", "square"))
    assert source.list_keys is not None
    assert ("data/labels/queue/a.png", "line") in source.list_keys()
    picked = source.pick_records({"data/labels/queue/a.png", "line/1.png"})
    assert {record.key for record in picked} == {"data/labels/queue/a.png", "line/1.png"}
    rows = list_labelled(project.root, params_of().data)
    assert [(row.path, row.label) for row in rows] == [
        (labelled / "queue/a.png", "line"),
        (labelled / "queue/b.png", ""),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
def test_a_table_is_read_in_the_encodings_of_spreadsheets(
    encoding: str, labelled: Path, project: Paths, params_of: ParamsOf
) -> None:
    (labelled / "q.csv").write_bytes("path,label,note\nqueue/a.png,line,Жук\n".encode(encoding))
    assert list(find_new(open_at(project, params_of))) == ["data/labels/queue/a.png"]


@pytest.mark.parametrize(
    ("name", "text", "row"),
    [
        pytest.param("q.csv", "path,label\n\n\nqueue/a.png,odd\n", 4, id="blank lines"),
        pytest.param("q.csv", "\n\npath,label\nqueue/a.png,odd\n", 4, id="above the header"),
        pytest.param("q.csv", "path,label\n,\nqueue/a.png,odd\n", 3, id="blank cells"),
        pytest.param("q.csv", "sep=,\npath,label\n\nqueue/a.png,odd\n", 3, id="Excel does not show its own"),
        pytest.param(
            "q.jsonl", '{"path": "x", "label": ""}\n\n{"path": "queue/a.png", "label": "odd"}', 3, id="json"
        ),
    ],
)
def test_a_row_has_the_number_that_a_spreadsheet_shows(
    name: str, text: str, row: int, labelled: Path, project: Paths, params_of: ParamsOf
) -> None:
    (labelled / name).write_text(text)
    with pytest.raises(SourceError, match=rf"^row {row} of {name}: 'odd' is no class"):
        open_at(project, params_of)


def test_what_a_table_puts_into_train_is_there_to_learn_from(
    labelled: Path, project: Paths, params_of: ParamsOf
) -> None:
    rows = "queue/a.png,line,train\nqueue/b.png,line,test\nqueue/c.png,line,\n"
    (labelled / "q.csv").write_text(f"path,label,split\n{rows}")
    found = find_new(open_at(project, params_of)).values()
    assert [record.source_split for record in found] == ["learn", "test", ""]


def test_a_linked_folder_of_tables_is_named(
    labelled: Path, project: Paths, params_of: ParamsOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/q.csv").write_text("path,label\nqueue/a.png,line\n")
    (labelled / "mine").symlink_to(tmp_path / "elsewhere")
    assert not find_new(open_at(project, params_of))
    assert f"1 link to a folder in {labelled} is not followed, such as 'mine'" in caplog.text


def test_without_tables_the_source_is_what_it_was(
    labelled: Path, project: Paths, params_of: ParamsOf
) -> None:
    (labelled / "README.md").write_text("path,label\n")
    (labelled / ".hidden.csv").write_text("path,label\nqueue/a.png,line\n")
    source = open_at(project, params_of)
    assert (len(source), source.n_waiting) == (30, 0)
    assert len(open_at(project, params_of, labelled="nowhere")) == 30


def test_one_table_may_be_named_and_its_pictures_may_lie_anywhere(
    project: Paths, params_of: ParamsOf, tmp_path: Path
) -> None:
    """The key is the absolute path there."""
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/x.png").write_bytes(scan(9))
    (tmp_path / "mine.txt").write_text(f"pathname;label\n{tmp_path}/scans/x.png;circle\n")
    source = open_at(project, params_of, labelled=str(tmp_path / "mine.txt"))
    assert {key: record.label for key, record in find_new(source).items()} == {
        f"{tmp_path}/scans/x.png": "circle"
    }


def test_what_is_gone_and_what_is_called_twice_is_accounted_for(
    labelled: Path, project: Paths, params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        "gone.png,line",
        ",line",
        "queue/a.png,line",
        "queue/a.png,circle",
        "queue/b.png,line",
        "queue/c.png,",
    ]
    (labelled / "1.csv").write_text("\n".join(["path,label", *rows]))
    (labelled / "2.csv").write_text("path,label\nqueue/b.png,line\nqueue/c.png,circle\nqueue/c.png,\n")
    source = open_at(project, params_of)
    found = find_new(source)
    assert {key: record.refusal for key, record in found.items() if record.refusal} == {
        "data/labels/gone.png": ("missing", "row 2 of 1.csv names it, and there is no such file"),
        "data/labels/1.csv (row 3 of 1.csv)": (
            "missing",
            "row 3 of 1.csv names it, and there is no such file",
        ),
    }
    assert {
        key: (record.label, record.unlabelled) for key, record in found.items() if not record.refusal
    } == {
        "data/labels/queue/a.png": (
            "",
            "row 4 of 1.csv calls it 'line', and row 5 of 1.csv calls it 'circle'",
        ),
        "data/labels/queue/b.png": ("line", ""),
        "data/labels/queue/c.png": ("circle", ""),
    }
    assert source.n_waiting == 0
    assert "2 rows with a label and no picture: ['data/labels/1.csv (row 3 of 1.csv)', 'data/" in caplog.text


REFUSED: dict[str, tuple[Mapping[str, str], str, str]] = {
    "a misspelt class": (
        {"q.csv": "path,label\nqueue/a.png,circel\n"},
        "data/labels",
        "row 2 of q.csv: 'circel' is no class of the source (did you mean circle?); write one of its classes "
        "(circle, line, square), and nothing where you do not know",
    ),
    "an unknown class": (
        {"q.csv": "path,label\nqueue/a.png,9\n"},
        "data/labels",
        "row 2 of q.csv: '9' is no class of the source; write one of its classes (circle, line, square), and",
    ),
    "no label column": (
        {"q.csv": "path,name,size\nqueue/a.png,line,1\n"},
        "data/labels",
        "has no column of labels: it has path, name, size; call it `label`",
    ),
    "no path column": (
        {"q.csv": "x,z,label\na,b,line\n"},
        "data/labels",
        "has no column of paths: it has x, z, label",
    ),
    "broken quotes": ({"q.csv": 'path,label\nqueue/a.png,"li\n'}, "data/labels", "q.csv in "),
    "two columns of a name": (
        {"q.csv": "path,label,label\n"},
        "data/labels",
        "two columns are called 'label'",
    ),
    "inside the source": (
        {"../raw/line/q.csv": "path,label\n1.png,line\n"},
        "data/raw/line/q.csv",
        "lie in each other; move one of them out, or set data.labels.file",
    ),
    "around the source": ({"q.csv": "path,label\n"}, "data", "lie in each other; move one of them out"),
    "an archive": ({"q.zip": "PK"}, "data/labels/q.zip", "q.zip cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_one_line(
    case: str, labelled: Path, project: Paths, params_of: ParamsOf
) -> None:
    files, place, message = REFUSED[case]
    for name, text in files.items():
        (labelled / name).write_text(text)
    with pytest.raises(SourceError) as caught:
        open_at(project, params_of, labelled=place)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_key_in_both_places_is_refused(project: Paths, params_of: ParamsOf) -> None:
    for folder in ("data/raw/data/labels", "data/labels"):
        (project.root / folder).mkdir(parents=True, exist_ok=True)
        (project.root / folder / "a.png").write_bytes(scan(1))
    (project.root / "data/labels/q.csv").write_text("path,label\na.png,line\n")
    with pytest.raises(SourceError, match=r"^data/labels/a\.png is a picture of .* rename one$"):
        open_at(project, params_of)


def test_they_pass_validate_and_clean(labelled: Path, project: Paths, params_of: ParamsOf) -> None:
    """Equal bytes are one picture, wherever they lie; with two labels they are none."""
    copies = {"same.png": "line/1.png", "other.png": "circle/1.png"}
    for name, of in copies.items():
        (labelled / name).write_bytes((project.raw / of).read_bytes())
    rows = ["queue/a.png,square", "same.png,line", "other.png,line", "queue/b.png,", "gone.png,line"]
    (labelled / "q.csv").write_text("\n".join(["path,label", *rows]))
    params = params_of(
        validate={"min_images_per_class": 5},
        clean={"image_hw": [8, 8], "channels": 1},
    )
    measured = validate.main(params, project, Untracked())
    clean.main(params, project, Untracked())
    assert (measured["n_files"], measured["n_waiting"]) == (34, 1)
    assert json.loads(json.dumps(divide_metrics(measured)[0]))["n_waiting"] == 1
    manifest = read_table(project.raw_manifest, RAW_MANIFEST).to_pylist()
    assert {row["key"]: row["label"] for row in manifest}["data/labels/queue/a.png"] == "square"
    kept = set(read_table(project.clean_manifest, CLEAN_MANIFEST).column("key").to_pylist())
    away = {row["key"]: row["reason"] for row in read_table(project.quarantine, QUARANTINE).to_pylist()}
    shown = show(State.read(project), ["data/labels/queue/a.png"], project.shown)
    assert [(row["key"], row["now"]) for row in shown] == [("data/labels/queue/a.png", "kept as square")]
    assert len(kept) == 30
    assert "data/labels/queue/a.png" in kept
    assert away == {
        "line/1.png": "duplicate",
        "data/labels/other.png": "conflicting_labels",
        "circle/1.png": "conflicting_labels",
        "data/labels/gone.png": "missing",
    }


def test_a_stamp_sees_tables_and_pictures_wherever_they_lie(
    labelled: Path, project: Paths, params_of: ParamsOf, tmp_path: Path
) -> None:
    (tmp_path / "far.png").write_bytes(scan(7))
    (labelled / "q.csv").write_text(f"path,label\n{tmp_path}/far.png,line\nqueue/a.png,\n")
    section = params_of().data
    source, before = stamp_collection(project.root, section)
    assert stamp_collection(project.root, section) == (source, before)
    seen = {before}
    changes: dict[Path, bytes] = {
        tmp_path / "far.png": scan(8) + b" ",
        labelled / "queue/a.png": scan(8) + b" ",
        labelled / "q.csv": b"path,label\nqueue/a.png,line\n",
    }
    for path, data in changes.items():
        path.write_bytes(data)
        now, after = stamp_collection(project.root, section)
        assert now == source
        assert after not in seen
        seen.add(after)


@pytest.mark.parametrize("name", ["answers.xlsx", "answers.txt", "deep/answers.XLS"])
def test_a_spreadsheet_beside_the_tables_is_named(
    name: str, labelled: Path, project: Paths, params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    (labelled / name).parent.mkdir(exist_ok=True)
    (labelled / name).write_bytes(b"path,label")
    (labelled / "q.csv").write_text("path,label\nqueue/a.png,line\n")
    assert list(find_new(open_at(project, params_of)))
    (said,) = [one for one in caplog.messages if "not read" in one]
    assert repr(name) in said
    assert "a table is CSV, TSV or JSONL; save it as one" in said
