"""Labels that stand in a table: beside pictures, in WebDataset's samples, in Parquet's columns."""

import gzip
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.sources import Source
from pipeline.sources.matching import choose_rule, clean_path
from tests.sources.test_sources import folder_of, list_refusals, open_at, read_records, tar_of, tgz_of, zip_of

Make = Callable[[Path, Mapping[str, bytes]], Path]
PICTURES = {f"images/{name}.png": name.encode() for name in "abcd"}
NAMED = {"images/a.png": "Cat", "images/b.png": "Dog", "images/c.png": "Cat", "images/d.png": "Dog"}


def table_of(rows: Mapping[str, str], separator: str = ",", header: str = "path,label") -> bytes:
    lines = [header.replace(",", separator), *(separator.join(row) for row in rows.items())]
    return "\n".join(lines).encode()


def labels_of(source: Source) -> dict[str, str]:
    return {key: record.label for key, record in read_records(source).items()}


def json_lines(*rows: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


# --- pictures and a table ---

TABLES = [
    pytest.param("labels.csv", table_of(NAMED), id="comma"),
    pytest.param("labels.csv", table_of(NAMED, ";", "pathname,label"), id="pathname;label"),
    pytest.param("labels.tsv", table_of(NAMED, "\t", "Image Path,Class"), id="tab"),
    pytest.param("x.txt", table_of(NAMED, "|", "file,category"), id="bar in .txt"),
    pytest.param("labels.csv", b"\xef\xbb\xbf" + table_of(NAMED).replace(b"\n", b"\r\n"), id="BOM and CRLF"),
    pytest.param("labels.csv", table_of(NAMED).decode().encode("utf-16"), id="UTF-16"),
    pytest.param("labels.csv.gz", gzip.compress(table_of(NAMED)), id="gzip"),
    pytest.param("labels.csv", b"\n" + table_of(NAMED) + b"\n\n,\n", id="blank lines"),
    pytest.param("labels.csv", table_of({f'"{p}"': f'"{n}"' for p, n in NAMED.items()}), id="quotes"),
    pytest.param(
        "labels.csv", table_of({p.replace("/", "\\"): n for p, n in NAMED.items()}), id="backslashes"
    ),
    pytest.param(
        "labels.csv", table_of({f"C:\\scans\\{p}": n for p, n in NAMED.items()}), id="another machine"
    ),
    pytest.param("labels.csv", table_of({f"./{p}": n for p, n in NAMED.items()}), id="a dot in front"),
    pytest.param("labels.csv", table_of({p.split("/")[1]: n for p, n in NAMED.items()}), id="names of files"),
    pytest.param("labels.csv", table_of({p[7:8]: n for p, n in NAMED.items()}, header="id,breed"), id="ids"),
    pytest.param(
        "labels.jsonl",
        json_lines(*({"file": p, "label": n, "w": 3} for p, n in NAMED.items())),
        id="JSON lines",
    ),
    pytest.param(
        "labels.csv",
        b"n,path,width,label\n" + b"".join(f"1,{p},9,{n}\n".encode() for p, n in NAMED.items()),
        id="more columns",
    ),
]


@pytest.mark.parametrize(("name", "table"), TABLES)
@pytest.mark.parametrize("make", [folder_of, zip_of, tgz_of])
def test_a_table_is_found_by_itself(
    tmp_path: Path, make: Make, name: str, table: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        source = open_at(make(tmp_path / "s", PICTURES | {name: table}))
    assert labels_of(source) == NAMED
    assert {record.data for record in source.stream_records()} == {b"a", b"b", b"c", b"d"}
    assert (source.labels, source.n_ignored) == (("Cat", "Dog"), 1)
    assert f"a table of labels, {name}: paths in" in caplog.text
    assert [record.key for record in source.pick_records({"images/c.png", "gone"})] == ["images/c.png"]


def test_absolute_paths_below_the_source(tmp_path: Path) -> None:
    table = table_of({f"{tmp_path}/s/{path}": name for path, name in NAMED.items()})
    assert labels_of(open_at(folder_of(tmp_path / "s", PICTURES | {"labels.csv": table}))) == NAMED


def test_every_row_and_every_file_is_accounted_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        *(
            "images/a.png,Cat",
            "images/b.png,Dog",
            "images/b.png,Dog",
            "images/gone.png,Bird",
            "images/c.png,",
        ),
        *("images/d.png,Cat", "images/d.png,Dog", "images/d.png,Cat", ",Dog", "images/gone.png,Bird"),
    ]
    table = "\n".join(["path,label", *rows]).encode()
    files = PICTURES | {"images/e.png": b"e", "labels.csv": table, "README.md": b""}
    source = open_at(folder_of(tmp_path / "s", files))
    found = read_records(source)
    said = {key: (record.label, record.unlabelled) for key, record in found.items() if not record.label}
    assert said == {
        "images/c.png": ("", "row 6 of labels.csv has no label for it"),
        "images/d.png": ("", "labels.csv calls it 'Cat' in row 7 and 'Dog' in row 8"),
        "images/e.png": ("", "labels.csv has no row for it"),
        "README.md": ("", "labels.csv has no row for it"),
    }
    assert list_refusals(source) == {"images/gone.png": "missing", "no path (row 10)": "missing"}
    assert found["images/gone.png"].refusal == (
        "missing",
        "row 5 of labels.csv names it, and there is no such file",
    )
    assert source.labels == ("Bird", "Cat", "Dog")
    assert len(source) == len(found) == 8
    assert "2 rows of labels.csv without a file of that name" in caplog.text
    without = "1 file without a row in labels.csv, so without a label; leave it out with data.ignore"
    assert f"{without}: ['images/e.png']" in caplog.text
    assert [r.key for r in source.pick_records({"images/gone.png"})] == ["images/gone.png"]


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.jsonl"])
def test_a_table_as_source_says_where_it_belongs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"path,label\nimages/a.png,Cat\n")
    with pytest.raises(SourceError, match=f"its folder and data.labels.file (to )?{name}$"):
        open_at(tmp_path / name)


def test_one_picture_in_two_parts_has_no_label(tmp_path: Path) -> None:
    """The last row would move a training picture into the test set."""
    rows = (
        "images/a.png,Cat,train",
        "images/b.png,Dog,test",
        "images/c.png,Cat,train",
        "images/a.png,Cat,test",
    )
    table = "\n".join(["path,label,split", *rows]).encode()
    source = open_at(folder_of(tmp_path / "s", PICTURES | {"labels.csv": table}))
    found = read_records(source)["images/a.png"]
    assert (found.label, found.unlabelled) == ("", "labels.csv calls it 'train' in row 2 and 'test' in row 5")


def test_a_label_that_is_no_number_is_none(tmp_path: Path) -> None:
    lines = b'{"path": "images/a.png", "label": NaN}\n{"path": "images/b.png", "label": "Dog"}\n'
    source = open_at(folder_of(tmp_path / "s", PICTURES | {"labels.jsonl": lines}))
    assert source.labels == ("Dog",)
    assert read_records(source)["images/a.png"].label == ""


def test_a_column_says_the_part(tmp_path: Path) -> None:
    rows = ["path,label,split", "images/a.png,x,Training", "images/b.png,y,val", "images/c.png,x,TEST"]
    table = "\n".join([*rows, "images/d.png,y,"]).encode()
    found = read_records(open_at(folder_of(tmp_path, PICTURES | {"labels.csv": table})))
    assert [found[f"images/{name}.png"].source_split for name in "abcd"] == ["train", "val", "test", ""]


def test_a_table_beside_class_folders_is_used_where_it_is_named(tmp_path: Path) -> None:
    files = {"A/1.png": b"1", "B/2.png": b"2", "table.csv": b"where;what;label\nA/1.png;x;q\nB/2.png;y;q\n"}
    root = folder_of(tmp_path, files)
    assert open_at(root).labels == ("A", "B")
    columns = {"file": "table.csv", "path_column": "where", "label_column": "what"}
    assert labels_of(open_at(root, labels=columns)) == {"A/1.png": "x", "B/2.png": "y"}


def test_numbered_labels_are_named(tmp_path: Path) -> None:
    table = table_of({path: str(i % 2) for i, path in enumerate(NAMED)})
    root = folder_of(tmp_path, PICTURES | {"labels.csv": table})
    assert open_at(root).labels == ("0", "1")
    assert open_at(root, class_names=["off", "on", "none"]).labels == ("none", "off", "on")
    assert set(labels_of(open_at(root, class_names=["off", "on"])).values()) == {"off", "on"}


@pytest.mark.parametrize("make", [folder_of, zip_of])
def test_hugging_faces_image_folders(tmp_path: Path, make: Make) -> None:
    rows = [("a.png", "Cat"), ("deep/b.png", "Dog")]
    csv = table_of(dict(rows), header="file_name,label")
    jsonl = json_lines(*({"file_name": name, "label": label, "text": "x"} for name, label in rows))
    flat = {"a.png": b"a", "deep/b.png": b"b"}
    expected = {"a.png": "Cat", "deep/b.png": "Dog"}
    for name, data in (("metadata.csv", csv), ("metadata.jsonl", jsonl)):
        assert labels_of(open_at(make(tmp_path / name, flat | {name: data}))) == expected
        parts = {
            f"{top}/{key}": value for top in ("train", "test") for key, value in {**flat, name: data}.items()
        }
        source = open_at(make(tmp_path / f"split{name}", parts))
        found = {key: (record.label, record.source_split) for key, record in read_records(source).items()}
        assert found == {
            f"{t}/{key}": (label, t) for t in ("train", "test") for key, label in expected.items()
        }
        assert source.n_ignored == 2


def test_the_other_of_two_columns_is_taken_where_the_table_is_named(tmp_path: Path) -> None:
    for header in ("x1,label", "file,x2"):
        root = folder_of(tmp_path / header, PICTURES | {"x.csv": table_of(NAMED, header=header)})
        assert open_at(root).labels == ("images",)
        assert labels_of(open_at(root, labels={"file": "x.csv"})) == NAMED


def test_metadata_without_labels_leaves_the_folders_to_label(tmp_path: Path) -> None:
    files = {"Cat/a.png": b"", "Dog/b.png": b"", "metadata.csv": b"file_name,text\nCat/a.png,a cat\n"}
    assert open_at(folder_of(tmp_path, files)).labels == ("Cat", "Dog")


def test_nested_folders_under_a_class_belong_to_it(tmp_path: Path) -> None:
    files = {"Cat/2019/a.png": b"", "Cat/2020/x/b.png": b"", "Dog/c.png": b"", "Dog/2020/x/y/z/d.png": b""}
    assert labels_of(open_at(folder_of(tmp_path, files))) == {key: key.split("/")[0] for key in files}


BROKEN = [
    pytest.param(
        table_of(NAMED), {"file": "x.csv"}, "does not hold; it must lie there; .* labels.csv", id="no file"
    ),
    pytest.param(
        table_of(NAMED), {"label_column": "y"}, "no column of labels.*path, label; set", id="no column"
    ),
    pytest.param(
        table_of(NAMED), {"path_column": "label"}, "names a file, such as 'Cat' in.*'label'", id="wrong one"
    ),
    pytest.param(b"path,label\n", {}, "none of the first rows", id="no rows"),
    pytest.param(b"", {}, "no column of paths.*it has none", id="empty"),
    pytest.param(b"path,label\nimages/a.png,Cat,1\n", {}, "line 2: 3 cells in a row, 2 columns", id="cells"),
    pytest.param(b'path,label\n"images/a.png,Cat\n', {}, "labels.csv in .*, line 2: ", id="an open quote"),
    pytest.param(b"path,label\nimages/a.png,\xe9\n", {}, "utf-8", id="not UTF-8"),
    pytest.param(b"path,label\nimages/a.png," + b"x" * 300, {}, "200 characters, got 300", id="long label"),
    pytest.param(b"path,label\n" + b"x" * (2 << 20), {}, "more than 1,048,576 characters", id="long line"),
    pytest.param(
        b"path,label\n" + b'"' + b"x\n" * (2 << 20),
        {},
        "field larger than field limit|1,048,576",
        id="long row",
    ),
    pytest.param(b"path,label\n" + b"p" * 5000 + b",x", {}, "holds no path", id="long path"),
    pytest.param(b"path,label,split\nimages/a.png,x,often\n", {}, "'often'.*split_column", id="part"),
    pytest.param(b"path,label\nimages/a.png,\n", {}, "no row of labels.csv has a label", id="no label"),
    pytest.param(
        b"path,label\n" + b"".join(b"images/a.png,%d\n" % i for i in range(10_002)),
        {},
        "10,000 different",
        id="ids",
    ),
]


@pytest.mark.parametrize(("table", "settings", "message"), BROKEN)
def test_a_broken_table_is_one_line(
    tmp_path: Path, table: bytes, settings: dict[str, str], message: str
) -> None:
    root = folder_of(tmp_path, PICTURES | {"labels.csv": table})
    with pytest.raises(SourceError, match=message) as caught:
        open_at(root, labels={"file": "labels.csv"} | settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"file": "images/a.png", "label": ' + b"[" * 100_000,
        b'{"file": 1' + b"0" * 5000 + b"}",
    ],
    ids=["no object", "deep", "huge number"],
)
def test_broken_json_lines_are_one_line(tmp_path: Path, line: bytes) -> None:
    root = folder_of(tmp_path, PICTURES | {"labels.jsonl": b'{"file": "x", "label": "y"}\n' + line + b"\n"})
    with pytest.raises(SourceError, match=r"labels\.jsonl.*line 2: ") as caught:
        open_at(root, labels={"file": "labels.jsonl"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("label", [["Cat", "Dog"], {"name": "Cat"}])
def test_several_labels_a_picture_are_refused(tmp_path: Path, label: object) -> None:
    root = folder_of(tmp_path, PICTURES | {"x.jsonl": json_lines({"file": "images/a.png", "label": label})})
    with pytest.raises(SourceError, match="one label a picture"):
        open_at(root, labels={"file": "x.jsonl"})


def test_one_rule_matches_a_whole_table() -> None:
    keys = ["a/1.png", "b/1.png", "1.png"]
    rule, n_found = choose_rule([clean_path(f"/far/{key}") for key in keys[:2]], keys, "")
    assert (rule.describe, n_found) == ("without /far/", 2)
    assert rule.find("/far/gone/1.png") == ""  # and not 1.png
    rule, _ = choose_rule(["1.png"], ["a/1.png", "b/1.png"], "")
    assert rule.find("1.png") == ""  # two files may be meant


@pytest.mark.parametrize("form", ["caf\xe9", "cafe\u0301"])
def test_a_path_matches_in_either_encoding(tmp_path: Path, form: str) -> None:
    files = {"images/cafe\u0301.png": b"1", "images/b.png": b"2"}
    table = table_of({f"images/{form}.png": "Cafe\u0301", "images/b.png": "Tea"})
    source = open_at(folder_of(tmp_path, files | {"labels.csv": table}))
    assert labels_of(source) == {"images/cafe\u0301.png": "Caf\xe9", "images/b.png": "Tea"}


# --- WebDataset ---

SAMPLES = {
    "0001.jpg": b"a",
    "0001.cls": b"Cat\n",
    "sub/0002.png": b"b",
    "sub/0002.cls": b"Dog",
    "sub/0002.txt": b"a caption",
}
DESCRIBED = {
    "0001.jpg": b"a",
    "0001.json": b'{"label": "Cat", "w": 1}',
    "sub/0002.png": b"b",
    "sub/0002.json": b'{"label": "Dog"}',
}


@pytest.mark.parametrize("make", [tar_of, tgz_of])
@pytest.mark.parametrize("samples", [SAMPLES, DESCRIBED], ids=["cls", "json"])
def test_a_tar_of_samples(tmp_path: Path, make: Make, samples: dict[str, bytes]) -> None:
    source = open_at(make(tmp_path / "s", samples))
    assert labels_of(source) == {"0001.jpg": "Cat", "sub/0002.png": "Dog"}
    assert {record.data for record in source.stream_records()} == {b"a", b"b"}
    assert source.n_ignored == len(samples) - 2
    assert [record.key for record in source.pick_records({"0001.jpg"})] == ["0001.jpg"]


def shards_of(path: Path, shards: Mapping[str, Mapping[str, bytes]]) -> Path:
    for name, samples in shards.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        tar_of(path / name, samples)
    return path


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train-000", "train-001", "test-000"), ("train", "train", "test")),
        (("imagenet-train-{0}", "imagenet-train-1", "imagenet-val-0"), ("train", "train", "val")),
        (("train/0", "train/1", "val/0"), ("train", "train", "val")),
        (("000", "001", "002"), ("", "", "")),
    ],
)
def test_a_folder_of_shards(
    tmp_path: Path, names: tuple[str, ...], parts: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    shards = {name: {"x.jpg": str(i).encode(), "x.cls": str(i % 2).encode()} for i, name in enumerate(names)}
    with caplog.at_level("INFO"):
        source = open_at(shards_of(tmp_path, shards), class_names=["off", "on"])
    found = read_records(source)
    assert {key: (record.label, record.source_split) for key, record in found.items()} == {
        f"{name}.tar/x.jpg": (("off", "on")[i % 2], part)
        for i, (name, part) in enumerate(zip(names, parts, strict=True))
    }
    assert "is WebDataset: 3 tars, 3 samples" in caplog.text
    wanted = f"{names[1]}.tar/x.jpg"
    assert [record.data for record in source.pick_records({wanted})] == [b"1"]


def test_samples_without_a_label_or_a_picture_are_accounted_for(tmp_path: Path) -> None:
    samples = SAMPLES | {
        "3.jpg": b"c",
        "4.cls": b"Bird",
        "5.jpg": b"e",
        "5.cls": b" ",
        "6.jpg": b"",
        "6.json": b"{",
    }
    source = open_at(shards_of(tmp_path, {"a": samples}))
    assert {record.key: record.unlabelled for record in source.stream_records() if not record.label} == {
        f"a.tar/{key}": "its sample has no .cls, and no .json with a label"
        for key in ("3.jpg", "5.jpg", "6.jpg")
    }
    assert list_refusals(source) == {"a.tar/4": "missing"}
    assert source.labels == ("Bird", "Cat", "Dog")


def test_patterns_hold_inside_shards(tmp_path: Path) -> None:
    two = {"1.seg.png": b"", "1.jpg": b"a", "1.cls": b"0"}
    root = shards_of(tmp_path, {"a": two})
    with pytest.raises(SourceError, match=r"the pictures 1\.seg\.png and 1\.jpg; leave one kind out"):
        open_at(root)
    assert labels_of(open_at(root, ignore=["*.seg.png"])) == {"a.tar/1.jpg": "0"}


def test_a_tar_of_class_folders_with_notes_is_none_of_samples(tmp_path: Path) -> None:
    files = {"Cat/1.jpg": b"", "Cat/1.json": b'{"label": "x"}', "Dog/2.jpg": b"", "Dog/2.txt": b""}
    assert open_at(tar_of(tmp_path / "s", files)).labels == ("Cat", "Dog")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        pytest.param({"1.jpg": b"", "1.cls": b"x" * 5000}, "5,000 bytes, too many for a label", id="long"),
        pytest.param({"1.jpg": b"", "1.cls": b"x" * 300}, "up to 200 characters, got 300", id="a text"),
        pytest.param({"1.jpg": b"", "1.cls": b"0", "1.json": b" " * (2 << 20)}, "too many", id="long json"),
        pytest.param({"1.jpg": b"", "1.json": b'{"label": [1, 2]}'}, "one label a picture", id="several"),
    ],
)
def test_what_is_no_label_in_a_sample_is_one_line(
    tmp_path: Path, samples: dict[str, bytes], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        open_at(shards_of(tmp_path, {"a": samples}))


def test_a_folder_with_a_tar_of_something_else_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"set data\.source to that file"):
        open_at(shards_of(tmp_path, {"a": {"Cat/1.jpg": b"", "Dog/2.jpg": b""}}))


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    root = shards_of(tmp_path, {"a": SAMPLES, "b": SAMPLES})
    (root / "b.tar").write_bytes((root / "b.tar").read_bytes()[:1100])
    with pytest.raises(SourceError, match=r"b\.tar cannot be read"):
        open_at(root)


def test_links_in_a_shard_do_not_lead_out(tmp_path: Path) -> None:
    tar_of(tmp_path / "a", SAMPLES)
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        member = tarfile.TarInfo("9.jpg")
        member.type, member.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        archive.addfile(member)
    assert list_refusals(open_at(tmp_path)) == {"a.tar/9.jpg": "outside_source"}


# --- Parquet ---

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(data: bytes | None, path: str | None = None) -> dict[str, Any]:
    return {"bytes": data, "path": path}


def parquet_of(
    path: Path, columns: Mapping[str, Any], names: list[str] | None = None, **settings: Any
) -> Path:
    """A Parquet file; `names`: of the classes, as Hugging Face writes them into the schema."""
    table = pa.table(dict(columns))
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **settings)
    return path


STRUCTS = pa.array([picture(b"a", "x/cat 1.png"), picture(b"b"), picture(b"c", "c.png")], IMAGE)
PLAIN = pa.array([b"a", b"b", b"c"])


@pytest.mark.parametrize(
    ("columns", "names", "labels"),
    [
        pytest.param(
            {"image": STRUCTS, "label": pa.array([0, 1, 0])}, ["Cat", "Dog", "Bird"], "CDC", id="HF"
        ),
        pytest.param({"image": STRUCTS, "label": pa.array([0, 1, 0])}, None, "010", id="numbers"),
        pytest.param({"image": PLAIN, "label": pa.array(["x", "y", "x"])}, None, "xyx", id="text"),
        pytest.param(
            {"image": PLAIN, "label": pa.array(["x", "y", "x"]).dictionary_encode()},
            None,
            "xyx",
            id="dictionary",
        ),
        pytest.param(
            {"image": PLAIN.cast(pa.large_binary()), "label": pa.array(["x", "y", "x"], pa.large_string())},
            None,
            "xyx",
            id="large",
        ),
        pytest.param(
            {"id": pa.array(["1", "2", "3"]), "thumb": PLAIN, "img": STRUCTS, "class": pa.array([3, 4, 3])},
            None,
            "343",
            id="other columns",
        ),
    ],
)
def test_parquet(
    tmp_path: Path,
    columns: dict[str, Any],
    names: list[str] | None,
    labels: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = parquet_of(tmp_path / "in" / "x.parquet", columns, names)
    with caplog.at_level("INFO"):
        sources = [open_at(path), open_at(path.parent)]
    for source in sources:
        found = read_records(source)
        assert [(record.label[0], record.data) for record in found.values()] == [
            *zip(labels, (b"a", b"b", b"c"), strict=True)
        ]
        assert all(key.startswith("x.parquet/00000") for key in found)
        (one,) = source.pick_records({[*found][1]})
        assert one.data == b"b"
    assert "is Parquet: 1 files, 3 rows, pictures in" in caplog.text


def test_class_names_of_the_schema_are_classes_even_without_a_picture(tmp_path: Path) -> None:
    source = open_at(
        parquet_of(tmp_path / "x.parquet", {"image": PLAIN, "label": pa.array([2, 2, -1])}, ["a", "b", "c"])
    )
    assert source.labels == ("a", "b", "c")
    assert [record.label for record in source.stream_records()] == ["c", "c", ""]


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001-0a1b2c3d4e5f.parquet", "data/train-x.parquet", "data/test-1.parquet"),
        ("train/0000.parquet", "train/0001.parquet", "test/0000.parquet"),
    ],
)
def test_a_folder_of_parquet_files_and_their_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        parquet_of(tmp_path / name, {"image": pa.array([b"%d" % i]), "label": pa.array([i])})
    folder_of(tmp_path, {"README.md": b"", ".gitattributes": b""})
    source = open_at(tmp_path)
    found = {record.key.rpartition("/")[0]: record.source_split for record in source.stream_records()}
    prefix = "data/" if names[0].startswith("data/") else ""
    assert {
        f"{prefix}{key}" if f"{prefix}{key}" in names else key: part for key, part in found.items()
    } == dict(zip(names, ("train", "train", "test"), strict=True))
    assert (len(source), source.n_ignored) == (3, 2)


def test_a_row_without_picture_or_label_is_accounted_for(tmp_path: Path) -> None:
    images = pa.array([picture(None, "gone.png"), None, picture(b"c", "a\\b/c.png")], IMAGE)
    source = open_at(
        parquet_of(tmp_path / "x.parquet", {"image": images, "label": pa.array(["x", "y", None])})
    )
    assert list_refusals(source) == {"x.parquet/000000-gone.png": "missing", "x.parquet/000001": "missing"}
    last = read_records(source)["x.parquet/000002-c.png"]
    assert (last.label, last.unlabelled) == ("", "the column 'label' is empty in its row")


NO_PICTURE = {"x": pa.array([1]), "label": pa.array([1])}


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        pytest.param(NO_PICTURE, {}, "no column of pictures.*it has x, label", id="no picture"),
        pytest.param({"image": PLAIN, "x": PLAIN}, {}, "no column of labels.*image, x", id="no label"),
        pytest.param(
            {"u": PLAIN, "v": PLAIN, "label": PLAIN}, {}, "no column of pictures, or several", id="several"
        ),
        pytest.param(
            {"image": PLAIN, "label": pa.array([[1], [2], [1, 2]])}, {}, "text or whole", id="lists"
        ),
        pytest.param(
            {"image": PLAIN, "label": pa.array(["x"] * 3)}, {"label_column": "y"}, "column of labels", id="y"
        ),
        pytest.param({"image": PLAIN, "label": pa.array(["x" * 300] * 3)}, {}, "200 characters", id="long"),
        pytest.param(
            {"image": PLAIN, "label": pa.array(["x" * 9000] * 3)}, {}, "over 4,096 bytes", id="very long"
        ),
        pytest.param({"image": PLAIN[:0], "label": pa.array([], pa.int64())}, {}, "has 0 rows", id="no rows"),
        pytest.param(
            {"image": pa.array([b""] * 10_001), "label": pa.array(range(10_001))},
            {},
            "10,000 different",
            id="ids",
        ),
    ],
)
def test_what_is_wrong_with_a_parquet_file_is_one_line(
    tmp_path: Path, columns: dict[str, Any], settings: dict[str, str], message: str
) -> None:
    path = parquet_of(tmp_path / "x.parquet", columns)
    with pytest.raises(SourceError, match=message) as caught:
        open_at(path, labels=settings)
    assert "\n" not in str(caught.value)


def test_columns_can_be_named(tmp_path: Path) -> None:
    columns = {
        "u": PLAIN,
        "v": pa.array([b"1", b"2", b"3"]),
        "p": pa.array(["x"] * 3),
        "label": pa.array(["y"] * 3),
    }
    path = parquet_of(tmp_path / "x.parquet", columns)
    source = open_at(path, labels={"path_column": "v", "label_column": "p"})
    assert [(record.data, record.label) for record in source.stream_records()] == [
        (d, "x") for d in (b"1", b"2", b"3")
    ]


@pytest.mark.parametrize("cut", [0, 3, 100, -9, -1])
def test_a_damaged_parquet_file_is_one_line(tmp_path: Path, cut: int) -> None:
    path = parquet_of(tmp_path / "x.parquet", {"image": PLAIN, "label": pa.array([0, 1, 0])})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SourceError, match=r"x\.parquet cannot be read as Parquet") as caught:
        list(open_at(path).stream_records())
    assert "\n" not in str(caught.value)


def test_a_number_beyond_the_names_is_one_line(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "x.parquet", {"image": PLAIN, "label": pa.array([0, 1, 7])}, ["a", "b"])
    with pytest.raises(SourceError, match="holds 7, and 2 names"):
        open_at(path)


def test_parquet_in_an_archive_says_what_to_do(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "in" / "x.parquet", {"image": PLAIN, "label": pa.array([0, 1, 0])})
    with pytest.raises(SourceError, match="unpack it"):
        open_at(zip_of(tmp_path / "s", {"data/x.parquet": path.read_bytes()}))


@pytest.mark.parametrize("codec", ["zstd", "none"])
def test_one_huge_value_in_a_million_rows_is_read_one_at_a_time(tmp_path: Path, codec: str) -> None:
    """A dictionary holds a value once; a batch would hold it once a row."""
    n = 200
    images = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([bytes(90 << 20)]))
    path = parquet_of(
        tmp_path / "x.parquet",
        {"image": images, "label": pa.array([0] * n)},
        compression=codec,
        store_schema=False,
    )
    before = pa.total_allocated_bytes()
    stream = open_at(path).stream_records()
    most = 0
    for _ in range(3):
        assert len(next(stream).data) == 90 << 20
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 500 << 20
