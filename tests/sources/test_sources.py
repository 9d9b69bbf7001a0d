"""Every kind of source gives the same records, and says in one line what is wrong with it."""

import gc
import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DarkroomError, ParamsError, SourceError
from pipeline.params import DataParams
from pipeline.sources import Entry, Record, Source, open_source

FILES = {"Photo/a.png": b"1", "Photo/deep/b.png": b"22", "Text/c d.png": b"333", "Text/10/é.png": b"4"}
SPLIT = {"train/Photo/a": b"1", "train/Text/b": b"2", "test/Photo/c": b"3", "Valid/Text/d": b"4"}


def open_at(path: Path, **changes: Any) -> Source:
    """The source at a path; `changes` are of `data` in params.yaml, or of its `csv`."""
    csv = {"label_column": "label", "image_hw": [2, 2]}
    data = {"name": "x", "source": str(path), "ignore": [".*"], "follow_links": False, "layout": "auto"}
    data |= {"class_names": [], "classes": {}, "labelled": "labels"}
    labels = {"file": "", "path_column": "", "label_column": "", "split_column": ""} | changes.pop(
        "labels", {}
    )
    csv |= {name: changes.pop(name) for name in csv.keys() & changes.keys()}
    return open_source(path, DataParams.model_validate(data | changes | {"csv": csv, "labels": labels}))


def read_records(source: Source) -> dict[str, Record]:
    found = {record.key: record for record in source.stream_records()}
    assert len(found) == len(source)
    return found


def list_refusals(source: Source) -> dict[str, str]:
    """The reasons of the records that cannot be read, by key; each has a detail, and none has bytes."""
    refused = {key: record for key, record in read_records(source).items() if record.refusal}
    assert all(not record.data and record.refusal and record.refusal.detail for record in refused.values())
    return {key: record.refusal.reason for key, record in refused.items() if record.refusal}


def folder_of(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    path = path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in reversed(list(files.items())):
            archive.writestr(name, data)
    return path


def tar_of(path: Path, files: Mapping[str, bytes], mode: Any = "w", suffix: str = ".tar") -> Path:
    path = path.with_suffix(suffix)
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def tgz_of(path: Path, files: Mapping[str, bytes]) -> Path:
    return tar_of(path, files, "w:gz", ".tar.gz")


def dotted_tar_of(path: Path, files: Mapping[str, bytes]) -> Path:
    return tar_of(path, {f"./{name}": data for name, data in files.items()}, suffix=".tgz", mode="w:gz")


def wrapped_zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    junk = {"__MACOSX/x": b"", "all/.DS_Store": b""}
    return zip_of(path, {f"all/{name}": data for name, data in files.items()} | junk)


@pytest.mark.parametrize("make", [folder_of, zip_of, tar_of, tgz_of, dotted_tar_of, wrapped_zip_of])
@pytest.mark.parametrize(
    ("files", "places"),
    [
        pytest.param(
            FILES,
            {
                "Photo/a.png": ("Photo", ""),
                "Photo/deep/b.png": ("Photo", ""),
                "Text/c d.png": ("Text", ""),
                "Text/10/é.png": ("Text", ""),
            },
            id="a folder per class",
        ),
        pytest.param(
            SPLIT,
            {
                "train/Photo/a": ("Photo", "train"),
                "train/Text/b": ("Text", "train"),
                "test/Photo/c": ("Photo", "test"),
                "Valid/Text/d": ("Text", "val"),
            },
            id="the source's own split",
        ),
    ],
)
def test_same_files_give_same_records_whatever_holds_them(
    tmp_path: Path,
    make: Callable[[Path, Mapping[str, bytes]], Path],
    files: dict[str, bytes],
    places: dict[str, tuple[str, str]],
) -> None:
    source = open_at(make(tmp_path / "source", files), ignore=["__MACOSX/", ".*"])
    found = read_records(source)
    assert {key: (record.label, record.source_split) for key, record in found.items()} == places
    assert {key: record.data for key, record in found.items()} == files
    assert source.labels == ("Photo", "Text")
    assert source.declared_formats == ()


@pytest.mark.parametrize("make", [folder_of, zip_of, tgz_of])
def test_picked_records_are_those_of_the_stream(
    tmp_path: Path, make: Callable[[Path, Mapping[str, bytes]], Path]
) -> None:
    source = open_at(make(tmp_path, {"a/1.png": b"1", "a/2.png": b"2", "b/1.png": b"3"}))
    picked = list(source.pick_records({"b/1.png", "a/1.png", "gone"}))
    assert {record.key: record for record in picked} == {
        key: record for key, record in read_records(source).items() if key != "a/2.png"
    }


@pytest.mark.parametrize("hold", [folder_of, zip_of])
def test_files_that_are_dropped_are_gone_at_once(hold: Callable[..., Path], tmp_path: Path) -> None:
    """No cycle keeps the listing until the collector comes by: a million files take 0.3 GB."""
    gc.disable()
    try:
        source = open_at(hold(tmp_path / "s", FILES))
        listed = sum(isinstance(one, Entry) for one in gc.get_objects())
        rest = source.drop_files()
        del source
        left = sum(isinstance(one, Entry) for one in gc.get_objects())
    finally:
        gc.enable()
    assert listed - left == len(FILES)
    assert (rest.labels, len(rest), list(rest.stream_records())) == (("Photo", "Text"), len(FILES), [])


def test_labels_hold_empty_classes_in_natural_order(tmp_path: Path) -> None:
    root = folder_of(tmp_path, {"10/a": b"", "2/b": b"", "cat/c": b"", "readme.txt": b"hello"})
    (root / "Empty").mkdir()
    (root / ".git").mkdir()
    source = open_at(root)
    assert source.labels == ("2", "10", "cat", "Empty")
    assert read_records(source)["readme.txt"].label == ""


def test_an_empty_class_in_an_archive_is_a_class(tmp_path: Path) -> None:
    assert open_at(zip_of(tmp_path / "s", {"a/x": b"", "b/y": b"", "c/": b""})).labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("patterns", "left", "n_ignored"),
    [
        pytest.param([], {"a/x.png", "a/x.txt", "b/.hidden", "b/skip/y.png"}, 0, id="nothing"),
        pytest.param([".*"], {"a/x.png", "a/x.txt", "b/skip/y.png"}, 1, id="hidden files"),
        pytest.param(["*.txt", "skip/"], {"a/x.png", "b/.hidden"}, 2, id="suffix and folder"),
        pytest.param(["/a/*", "!/a/x.png"], {"a/x.png", "b/.hidden", "b/skip/y.png"}, 1, id="but not"),
    ],
)
@pytest.mark.parametrize("make", [folder_of, wrapped_zip_of])
def test_ignore_takes_gitignore_patterns_and_counts(
    tmp_path: Path,
    make: Callable[[Path, Mapping[str, bytes]], Path],
    patterns: list[str],
    left: set[str],
    n_ignored: int,
) -> None:
    files = {"a/x.png": b"", "a/x.txt": b"", "b/.hidden": b"", "b/skip/y.png": b""}
    junk = ["__MACOSX/", "all/.DS_Store"] if make is wrapped_zip_of else []
    source = open_at(make(tmp_path / "s", files), ignore=[*patterns, *junk])
    assert set(read_records(source)) == left
    assert source.n_ignored == n_ignored + len(junk)


def test_one_class_folder_in_an_archive_is_not_taken_for_a_wrapper(tmp_path: Path) -> None:
    assert open_at(zip_of(tmp_path / "s", {"Photo/a": b"", "Photo/b/c": b""})).labels == ("Photo",)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        pytest.param(b"a b\"c'd.png", "a b\"c'd.png", id="spaces and quotes"),
        pytest.param(b"line\nbreak.png", "line\\x0abreak.png", id="newline"),
        pytest.param(b"esc\x1b[31m\xc2\x85.png", "esc\\x1b[31m\\xc2\\x85.png", id="control characters"),
        pytest.param(b"caf\\xe9.png", "caf\\x5cxe9.png", id="a backslash"),
        pytest.param("日本 été.png".encode(), "日本 été.png", id="UTF-8"),
        pytest.param(b"caf\xe9.png", "caf\\xe9.png", id="not UTF-8"),
        pytest.param(b"x" * 246 + b".png", "x" * 246 + ".png", id="250 characters"),
    ],
)
def test_any_file_name_is_read(tmp_path: Path, name: bytes, key: str) -> None:
    (tmp_path / "in" / "A").mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(tmp_path / "in" / "A") + b"/" + name)).write_bytes(b"data")
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        archive.add(tmp_path / "in", arcname=".")
    for source in (open_at(tmp_path / "in"), open_at(tmp_path / "in.tar")):
        assert read_records(source)[f"A/{key}"].data == b"data"


def test_names_that_differ_in_case_are_two_files(tmp_path: Path) -> None:
    found = read_records(open_at(zip_of(tmp_path / "s", {"a/X.png": b"1", "a/x.png": b"2", "b/y": b""})))
    assert found["a/X.png"].data + found["a/x.png"].data == b"12"


def test_zip_names_without_the_utf8_mark_are_bytes_from_unix_and_code_page_437_from_dos() -> None:
    from pipeline.sources.zips import _decode_name

    unix = zipfile.ZipInfo("caf├⌐.png")  # the UTF-8 bytes of é, read as code page 437
    unix.create_system = 3
    dos = zipfile.ZipInfo("Gemälde\\a.png")
    dos.create_system = 0
    assert [_decode_name(unix), _decode_name(dos)] == ["café.png", "Gemälde/a.png"]


def test_links_inside_are_followed_and_others_are_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "in", {"A/real.png": b"data", "B/x.png": b"x"})
    (tmp_path / "secret.png").write_bytes(b"secret")
    (root / "A" / "inside.png").symlink_to("../B/x.png")
    (root / "A" / "outside.png").symlink_to("../../secret.png")
    (root / "A" / "nothing.png").symlink_to("gone.png")
    (root / "A" / "loop.png").symlink_to("loop.png")
    (root / "B" / "dir").symlink_to("../A")
    source = open_at(root)
    assert read_records(source)["A/inside.png"].data == b"x"
    assert list_refusals(source) == {
        "A/outside.png": "outside_source",
        "A/nothing.png": "unreadable",
        "A/loop.png": "unreadable",
        "B/dir": "special_file",
    }


def test_a_fifo_is_never_opened(tmp_path: Path) -> None:
    folder_of(tmp_path, {"A/x": b""})
    os.mkfifo(tmp_path / "A" / "pipe")
    assert list_refusals(open_at(tmp_path)) == {"A/pipe": "special_file"}


def test_a_file_that_goes_away_is_unreadable(tmp_path: Path) -> None:
    source = open_at(folder_of(tmp_path, {"A/x": b"1", "A/y": b"2"}))
    (tmp_path / "A" / "x").unlink()
    assert list_refusals(source) == {"A/x": "unreadable"}


def test_a_file_too_large_to_hold_is_unreadable(tmp_path: Path) -> None:
    folder_of(tmp_path, {"A/x": b""})
    with (tmp_path / "A" / "huge").open("wb") as file:
        file.truncate(2 << 30)
    assert list_refusals(open_at(tmp_path)) == {"A/huge": "unreadable"}


def test_links_and_devices_in_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as archive:
        for name, kind, target in [
            ("A/file", tarfile.REGTYPE, ""),
            ("A/hard", tarfile.LNKTYPE, "A/file"),
            ("B/soft", tarfile.SYMTYPE, "../A/file"),
            ("B/out", tarfile.SYMTYPE, "../../etc/passwd"),
            ("B/gone", tarfile.SYMTYPE, "nothing"),
            ("B/pipe", tarfile.FIFOTYPE, ""),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"data"))
    source = open_at(tmp_path / "s.tar.gz")
    whole = {key: record.data for key, record in read_records(source).items() if not record.refusal}
    assert whole == {"A/file": b"data", "A/hard": b"data", "B/soft": b"data"}
    assert list_refusals(source) == {
        "B/out": "outside_source",
        "B/gone": "unreadable",
        "B/pipe": "special_file",
    }


def test_links_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("A/file", b"data")
        for name, target in [("A/in", "file"), ("B/out", "../../x")]:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
    source = open_at(tmp_path / "s.zip")
    assert read_records(source)["A/in"].data == b"data"
    assert list_refusals(source) == {"B/out": "outside_source"}


def test_a_damaged_zip_member_is_unreadable_and_others_are_read(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "s", {"A/x": b"first data", "B/y": b"other data"})
    path.write_bytes(path.read_bytes().replace(b"first data", b"FIRST DATA"))
    source = open_at(path)
    assert read_records(source)["B/y"].data == b"other data"
    assert list_refusals(source) == {"A/x": "unreadable"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:1100], id="cut in a file"),
        pytest.param(lambda data: data[:1124], id="cut in a header"),
        pytest.param(lambda data: data[:1024] + b"x" * 300 + data[1324:], id="a damaged header"),
    ],
)
def test_a_damaged_tar_is_refused_and_not_taken_for_a_shorter_one(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tar_of(tmp_path / "s", {"A/x": b"1", "B/y": b"2", "B/z": b"3"})
    path.write_bytes(damage(path.read_bytes()))
    (tmp_path / "s.tgz").write_bytes(gzip.compress(path.read_bytes()))
    for damaged in (path, tmp_path / "s.tgz"):
        with pytest.raises(SourceError, match="cannot be read"):
            open_at(damaged)


# --- tables of pixels ---


def make_idx(values: bytes, *dims: int) -> bytes:
    return bytes([0, 0, 8, len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + values


PIXELS = bytes(range(12))
TRAIN = {
    "train-images-idx3-ubyte": make_idx(PIXELS, 3, 2, 2),
    "train-labels-idx1-ubyte": make_idx(b"\1\0\1", 3),
}
TEST = {"t10k-images-idx3-ubyte": make_idx(PIXELS[:4], 1, 2, 2), "t10k-labels-idx1-ubyte": make_idx(b"\0", 1)}
PGM = b"P5\n2 2\n255\n"


def gzipped(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(data) for name, data in files.items()}


def dotted(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.replace("-idx", ".idx"): data for name, data in files.items()}


@pytest.mark.parametrize("make", [folder_of, zip_of, tgz_of])
@pytest.mark.parametrize("dress", [dict, gzipped, dotted])
def test_idx_pairs(
    tmp_path: Path,
    make: Callable[[Path, Mapping[str, bytes]], Path],
    dress: Callable[[Mapping[str, bytes]], dict[str, bytes]],
) -> None:
    source = open_at(make(tmp_path / "s", dress(TRAIN | TEST)), class_names=["off", "on", "none"])
    assert [(r.key, r.label, r.source_split, r.data) for r in source.stream_records()] == [
        ("test/00000", "off", "test", PGM + PIXELS[:4]),
        ("train/00000", "on", "train", PGM + PIXELS[:4]),
        ("train/00001", "off", "train", PGM + PIXELS[4:8]),
        ("train/00002", "on", "train", PGM + PIXELS[8:]),
    ]
    assert (len(source), source.labels, source.declared_formats) == (4, ("off", "on", "none"), ("PPM",))


def test_a_single_idx_pair_has_no_split_and_numbers_for_names(tmp_path: Path) -> None:
    source = open_at(folder_of(tmp_path, TRAIN | {"readme": b""}))
    assert {record.source_split for record in source.stream_records()} == {""}
    assert (source.labels, source.n_ignored) == (("0", "1"), 1)


CSV = b"label,p1,p2,p3,p4\n1,0,1,2,3\n10,255,5,6,7\n"
CSV_TEST = b"p1,p2,label,p3,p4\n0,1,1,2,3\n"


def test_a_csv_of_pixels(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(CSV)
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(CSV))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.csv").write_bytes(CSV)
    for path in (tmp_path / "x.csv", tmp_path / "y.csv.gz", tmp_path / "in"):
        source = open_at(path)
        assert [(r.key, r.label, r.source_split, r.data) for r in source.stream_records()] == [
            ("rows/00000", "1", "", PGM + bytes([0, 1, 2, 3])),
            ("rows/00001", "10", "", PGM + bytes([255, 5, 6, 7])),
        ]
        assert (len(source), source.labels, source.declared_formats) == (2, ("1", "10"), ("PPM",))
        assert [record.key for record in source.pick_records({"rows/00001"})] == ["rows/00001"]


def test_a_training_and_a_test_csv_are_the_sources_own_split(tmp_path: Path) -> None:
    source = open_at(folder_of(tmp_path, {"my_train.csv": CSV, "my_test.csv": CSV_TEST}))
    found = read_records(source)
    assert {key: record.source_split for key, record in found.items()} == {
        "train/00000": "train",
        "train/00001": "train",
        "test/00000": "test",
    }
    assert found["test/00000"].data == found["train/00000"].data == PGM + bytes([0, 1, 2, 3])


def test_a_pixel_out_of_range_is_found_while_streaming(tmp_path: Path) -> None:
    for bad in (b"256", b"-1", b"x", b"", b"1.5"):
        (tmp_path / "x.csv").write_bytes(CSV.replace(b"255", bad))
        with pytest.raises(SourceError, match=r"x\.csv.*0 to 255"):
            list(open_at(tmp_path / "x.csv").stream_records())


Make = Callable[[Path], Path]


def in_folder(files: Mapping[str, bytes]) -> Make:
    return lambda path: folder_of(path, files)


def in_zip(files: Mapping[str, bytes]) -> Make:
    return lambda path: zip_of(path, files)


def in_tar(files: Mapping[str, bytes]) -> Make:
    return lambda path: tar_of(path, files)


def in_file(name: str, data: bytes) -> Make:
    return lambda path: folder_of(path, {name: data}) / name


def empty_folders(path: Path) -> Path:
    (path / "A").mkdir(parents=True)
    return path


CASES = [
    pytest.param(lambda path: path / "gone", {}, r"gone does not exist.*allowed: a folder", id="no source"),
    pytest.param(
        lambda path: path.parent / ("x" * 300), {}, "x (cannot be read|does not exist)", id="no possible path"
    ),
    pytest.param(in_folder({".gitkeep": b""}), {}, "holds no images.*darkroom demo", id="empty folder"),
    pytest.param(empty_folders, {}, "class folders A but no file", id="folders without files"),
    pytest.param(in_folder({"x.png": b""}), {}, "1 files.*no class folders", id="no class folders"),
    pytest.param(in_zip({"x.png": b""}), {}, "no class folders", id="zip without folders"),
    pytest.param(in_folder({"x.zip": b""}), {}, "set data.source to that file", id="a zip in the folder"),
    pytest.param(in_file("x.rar", b""), {}, "unknown kind", id="unknown file"),
    pytest.param(in_file("x.zip", b"PK"), {}, "x.zip cannot be read", id="not a zip"),
    pytest.param(in_file("x.tar", b"no"), {}, "x.tar cannot be read", id="not a tar"),
    pytest.param(in_file("x.tar.gz", b"no"), {}, "x.tar.gz cannot be read", id="not a tar.gz"),
    pytest.param(in_zip({"A/x": b"", "../x": b""}), {}, r"member named '\.\./x'", id="zip slip"),
    pytest.param(in_zip({"A/../../x": b""}), {}, "member named", id="zip slip inside"),
    pytest.param(in_zip({"/etc/x": b""}), {}, "member named '/etc/x'", id="absolute in zip"),
    pytest.param(in_zip({"C:/x": b""}), {}, "member named 'C:/x'", id="drive in zip"),
    pytest.param(in_tar({"../x": b""}), {}, "member named", id="tar slip"),
    pytest.param(in_tar({"/x": b""}), {}, "member named '/x'", id="absolute in tar"),
    pytest.param(in_folder(SPLIT | {"Other/x": b""}), {}, "beside others: Other", id="split and classes"),
    pytest.param(in_folder({"A/x": b""}), {"ignore": ["!"]}, "data.ignore", id="bad pattern"),
    pytest.param(in_folder(dict([*TRAIN.items()][:1])), {}, "without its partner", id="IDX alone"),
    pytest.param(in_folder(TRAIN | gzipped(TRAIN)), {}, "has both", id="IDX twice"),
    pytest.param(
        in_folder(TRAIN | {"train-images-idx3-ubyte": b"\0\0\x0d\3"}), {}, "starts with 00000d03", id="magic"
    ),
    pytest.param(
        in_folder(TRAIN | {"train-images-idx3-ubyte": make_idx(PIXELS[:-1], 3, 2, 2)}),
        {},
        "12 bytes but holds 11",
        id="IDX too short",
    ),
    pytest.param(
        in_folder(TRAIN | {"train-labels-idx1-ubyte": make_idx(b"\0\0\0\0", 3)}),
        {},
        "3 bytes but holds 4",
        id="IDX too long",
    ),
    pytest.param(
        in_folder(TRAIN | {"train-labels-idx1-ubyte": make_idx(b"\0\0", 2)}),
        {},
        "3 images and .* 2 labels",
        id="IDX counts",
    ),
    pytest.param(
        in_folder({"train-images-idx3-ubyte.gz": b"no gzip", "train-labels-idx1-ubyte": make_idx(b"", 0)}),
        {},
        "no labels",
        id="IDX without labels",
    ),
    pytest.param(
        in_folder(
            {name: data[:30] for name, data in gzipped(TRAIN).items()},
        ),
        {},
        "cannot be read",
        id="IDX gzip cut",
    ),
    pytest.param(in_folder(TRAIN), {"class_names": ["one"]}, "0 to 1, but.*1 names", id="too few names"),
    pytest.param(in_file("x.csv", CSV), {"label_column": "y"}, "no column 'y'.*label, p1", id="no label"),
    pytest.param(in_file("x.csv", CSV), {"image_hw": [2, 3]}, "5 columns.*make 7", id="columns"),
    pytest.param(in_file("x.csv", CSV + b"1,2,3\n"), {}, "x.csv.*columns", id="a short row"),
    pytest.param(in_file("x.csv", CSV.replace(b"10", b"cat")), {}, "'cat'", id="label is no number"),
    pytest.param(in_file("x.csv", CSV.splitlines()[0] + b"\n"), {}, "no rows", id="only a header"),
    pytest.param(in_file("x.csv", b""), {}, "no column 'label'", id="empty CSV"),
    pytest.param(in_folder({"a.csv": CSV, "b.csv": CSV}), {}, "CSV files a.csv, b.csv", id="two CSVs"),
]


@pytest.mark.parametrize(("make", "settings", "message"), CASES)
def test_a_source_that_cannot_be_used_says_so_in_one_line(
    tmp_path: Path, make: Make, settings: dict[str, Any], message: str
) -> None:
    path = make(tmp_path / "source")
    with pytest.raises((SourceError, ParamsError), match=message) as caught:
        open_at(path, **settings)
    assert isinstance(caught.value, DarkroomError)
    assert "\n" not in str(caught.value)
