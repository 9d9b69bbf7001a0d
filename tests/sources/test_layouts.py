"""Which folder is the class: the source's own split, wrappers, links, and names in Unicode's two forms."""

import io
import os
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.sources.parts import find_part, name_parts
from tests.sources.test_sources import folder_of, list_refusals, open_at, read_records, zip_of

NFC, NFD = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


def files_of(*names: str) -> dict[str, bytes]:
    return {name: name.encode() for name in names}


def in_classes(tops: Iterable[str], classes: Iterable[str] = ("Cat", "Dog")) -> dict[str, bytes]:
    return files_of(*(f"{top}/{label}/{top[-1]}.png" for top in tops for label in classes))


def locate_all(source: Path, **changes: Any) -> dict[str, tuple[str, str]]:
    """(label, part) of each record by key."""
    found = read_records(open_at(source, **changes))
    return {key: (record.label, record.source_split) for key, record in found.items()}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *(("train", "train"), ("Training", "train"), ("seg_train", "train"), ("train_images", "train")),
        *(("Test", "test"), ("TESTING", "test"), ("test-set", "test"), ("testset", "test"), ("t10k", "test")),
        *(
            ("holdout", "test"),
            ("hold-out", "test"),
            ("held_out", "test"),
            ("val2017", "val"),
            ("dev", "val"),
        ),
        *(("valid", "val"), ("validation images", "val"), ("evaluation", "eval"), ("01_train", "train")),
        *(("trains", ""), ("train station", ""), ("testament", ""), ("images", ""), ("Cat", ""), ("", "")),
        *(("train_test", ""), ("device", ""), ("évaluation", "")),
    ],
)
def test_what_part_a_name_says(name: str, part: str) -> None:
    assert find_part(name) == part


def test_eval_is_the_test_set_unless_there_is_one() -> None:
    assert name_parts(["train", "eval"]) == {"train": "train", "eval": "test"}
    assert name_parts(["train", "eval", "test"]) == {"train": "train", "eval": "val", "test": "test"}
    assert name_parts(["test", "val"]) == name_parts(["train", "Training", "x"]) == {}


@pytest.mark.parametrize(
    ("tops", "parts"),
    [
        (("Training", "Testing"), ("train", "test")),
        (("seg_train", "seg_test"), ("train", "test")),
        (("train", "dev", "eval"), ("train", "val", "test")),
        (("train_images", "holdout"), ("train", "test")),
        (("Train2017", "val2017"), ("train", "val")),
        (("development", "training", "held-out"), ("val", "train", "test")),
    ],
)
def test_folders_named_like_a_split_are_the_sources_own(
    tmp_path: Path, tops: tuple[str, ...], parts: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        found = locate_all(folder_of(tmp_path / "s", in_classes(tops)))
    assert {key.split("/")[0]: part for key, (_, part) in found.items()} == dict(
        zip(tops, parts, strict=True)
    )
    assert {label for label, _ in found.values()} == {"Cat", "Dog"}
    assert f"{tops[0]}/ is {parts[0]}" in caplog.text


def test_a_split_folder_that_holds_itself_again_is_left_out(tmp_path: Path) -> None:
    files = files_of("seg_train/seg_train/Cat/a", "seg_train/seg_train/Dog/b", "seg_test/seg_test/Cat/c")
    assert set(locate_all(zip_of(tmp_path / "s", files)).values()) == {
        ("Cat", "train"),
        ("Dog", "train"),
        ("Cat", "test"),
    }


def test_a_part_without_class_folders_has_no_labels(tmp_path: Path) -> None:
    found = locate_all(folder_of(tmp_path, files_of("train/Cat/a", "train/Dog/b", "test/c")))
    assert found["test/c"] == ("", "test")


NESTED = in_classes(("scanner1", "scanner2"))
DEPARTMENTS = files_of("Training/a.png", "Evaluation/b.png", "Marketing/c.png")


@pytest.mark.parametrize(
    ("files", "layout", "labels"),
    [
        pytest.param(NESTED, "first_folder", ("scanner1", "scanner2"), id="outer ones"),
        pytest.param(NESTED, "second_folder", ("Cat", "Dog"), id="inner ones"),
        pytest.param(
            in_classes(("Training", "Testing")), "first_folder", ("Testing", "Training"), id="not split"
        ),
        pytest.param(DEPARTMENTS, "auto", ("Evaluation", "Marketing", "Training"), id="departments"),
        pytest.param(DEPARTMENTS, "first_folder", ("Evaluation", "Marketing", "Training"), id="and said so"),
        pytest.param(
            files_of("A/2019/x", "A/2020/y", "B/2019/z", "B/loose.png"),
            "auto",
            ("A", "B"),
            id="nested in classes",
        ),
        pytest.param(files_of("A/deep/er/x", "B/other/y", "B/z/y"), "auto", ("A", "B"), id="own folders"),
    ],
)
def test_layout_says_which_folders_are_the_classes(
    tmp_path: Path, files: dict[str, bytes], layout: str, labels: tuple[str, ...]
) -> None:
    source = open_at(folder_of(tmp_path, files), layout=layout)
    assert source.labels == labels
    assert {record.label for record in source.stream_records()} == set(labels)


def test_second_folder_keeps_a_split_that_the_names_say(tmp_path: Path) -> None:
    files = files_of("Training/Cat/a", "Testing/Dog/b")
    assert set(locate_all(folder_of(tmp_path, files), layout="second_folder").values()) == {
        ("Cat", "train"),
        ("Dog", "test"),
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(
            NESTED, "folders scanner1, scanner2, and each of them holds Cat, Dog: set data.layout", id="two"
        ),
        pytest.param(
            files_of("Training/a.png", "Testing/b.png"),
            "may be a split or classes.*data.layout",
            id="names alone",
        ),
        pytest.param(
            in_classes(("Training", "Testing")) | files_of("Other/x/y.png"),
            "beside others: Other",
            id="others",
        ),
    ],
)
def test_where_either_level_may_be_the_classes_it_stops(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        open_at(zip_of(tmp_path / "s", files))
    assert "\n" not in str(caught.value)


# --- wrappers and what systems leave behind ---


@pytest.mark.parametrize("pack", [folder_of, zip_of])
@pytest.mark.parametrize("beside", [(), ("set/README.md", "set/LICENSE", "set/labels.csv")])
def test_one_wrapper_folder_is_left_out(tmp_path: Path, pack: Any, beside: tuple[str, ...]) -> None:
    source = open_at(pack(tmp_path / "s", files_of("set/Cat/a.png", "set/Dog/b.png", *beside)))
    assert source.labels == ("Cat", "Dog")
    assert {"Cat/a.png", "Dog/b.png"} <= set(read_records(source))


def test_a_folder_with_a_picture_of_its_own_is_no_wrapper(tmp_path: Path) -> None:
    assert open_at(folder_of(tmp_path, files_of("Cat/a.png", "Cat/deep/b.png"))).labels == ("Cat",)


def test_what_systems_leave_behind_is_no_class(tmp_path: Path, params_of: Any) -> None:
    junk = files_of(
        *("@eaDir/a.png/SYNO.jpg", "Cat/@eaDir/a.png/SYNO.jpg", "Cat/.ipynb_checkpoints/a-checkpoint.png"),
        *(
            "__MACOSX/Cat/._a.png",
            ".DS_Store",
            "Cat/.DS_Store",
            "Thumbs.db",
            "#recycle/b.png",
            "$RECYCLE.BIN/c",
        ),
    )
    source = open_at(
        folder_of(tmp_path, junk | files_of("Cat/a.png", "Dog/#1.png")), ignore=list(params_of().data.ignore)
    )
    assert source.labels == ("Cat", "Dog")
    assert set(read_records(source)) == {"Cat/a.png", "Dog/#1.png"}
    assert source.n_ignored == len(junk)


# --- names in Unicode's two forms ---


@pytest.mark.parametrize("pack", [folder_of, zip_of])
def test_one_class_where_only_the_encoding_differs(tmp_path: Path, pack: Any) -> None:
    source = open_at(pack(tmp_path / "s", files_of(f"{NFC}/a", f"{NFD}/b", "Tea/c")))
    assert source.labels == (NFC, "Tea")
    found = read_records(source)
    assert found[f"{NFD}/b"].label == found[f"{NFC}/a"].label == NFC
    assert found[f"{NFD}/b"].data == f"{NFD}/b".encode()


@pytest.mark.parametrize("typed", [NFC, NFD])
def test_a_pattern_matches_either_encoding(tmp_path: Path, typed: str) -> None:
    source = open_at(folder_of(tmp_path, files_of(f"{NFC}/a", f"{NFD}/b", "Tea/c")), ignore=[f"{typed}/"])
    assert source.labels == ("Tea",)


# --- links to folders ---


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """Two class folders, and a link to a third that lies elsewhere."""
    folder_of(tmp_path / "elsewhere", files_of("Cat/a.png", "Cat/deep/b.png"))
    root = folder_of(tmp_path / "s", files_of("Dog/c.png", "Bird/d.png"))
    (root / "Cat").symlink_to(tmp_path / "elsewhere" / "Cat")
    return root


def test_a_class_that_is_a_link_never_vanishes(linked: Path) -> None:
    with pytest.raises(
        SourceError, match=r"class folder 'Cat' is not read.*data\.follow_links: true"
    ) as caught:
        open_at(linked)
    assert "\n" not in str(caught.value)
    for pattern in ("Cat", "Cat/", "/Cat/"):
        assert open_at(linked, ignore=[pattern]).labels == ("Bird", "Dog")


def test_a_class_that_is_a_link_is_followed_where_allowed(linked: Path) -> None:
    source = open_at(linked, follow_links=True)
    assert source.labels == ("Bird", "Cat", "Dog")
    found = read_records(source)
    assert {key: record.data for key, record in found.items() if record.label == "Cat"} == files_of(
        "Cat/a.png", "Cat/deep/b.png"
    )
    assert list_refusals(source) == {}


def test_a_linked_class_below_a_split_and_in_a_wrapper_is_named(linked: Path) -> None:
    root = linked.parent / "t"
    for top in ("train", "test"):
        folder_of(root / top, files_of("Dog/c.png"))
    (root / "test" / "Cat").symlink_to(linked / "Dog")
    with pytest.raises(SourceError, match="'test/Cat' is not read"):
        open_at(root)
    (linked.parent / "u").mkdir()
    (linked.parent / "u" / "wrapper").symlink_to(linked)
    with pytest.raises(SourceError, match="'wrapper' is not read"):
        open_at(linked.parent / "u")
    with pytest.raises(SourceError, match="'Cat' is not read"):
        open_at(linked.parent / "u" / "wrapper")
    assert open_at(linked.parent / "u", follow_links=True).labels == ("Bird", "Cat", "Dog")


def test_loops_end_and_are_told_of(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "s", files_of("A/x.png", "B/y.png"))
    (root / "A" / "up").symlink_to("..")
    (root / "A" / "self").symlink_to("self")
    (root / "B" / "a").symlink_to("../A")
    source = open_at(root, follow_links=True)
    assert list_refusals(source) == {"A/up": "special_file", "A/self": "unreadable", "B/a": "special_file"}
    assert [record.key for record in source.stream_records() if not record.refusal] == ["A/x.png", "B/y.png"]


def test_links_that_multiply_are_read_once(tmp_path: Path) -> None:
    """Twenty folders with two links each to the next: a million paths, twenty folders."""
    for i in range(20):
        folder_of(tmp_path / "far" / str(i), files_of("x.png"))
        if i:
            for name in "ab":
                (tmp_path / "far" / str(i - 1) / name).symlink_to(tmp_path / "far" / str(i))
    root = folder_of(tmp_path / "s", files_of("B/y.png"))
    (root / "A").symlink_to(tmp_path / "far" / "0")
    source = open_at(root, follow_links=True)
    assert len(source) == 1 + 20 + 19
    assert source.labels == ("A", "B")
    assert [record.key for record in source.stream_records()] == [
        record.key for record in open_at(root, follow_links=True).stream_records()
    ]


def test_a_link_out_and_back_into_the_source_is_no_second_copy(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "all" / "s", files_of("A/x.png", "B/y.png"))
    folder_of(tmp_path / "all", files_of("more/z.png"))
    (root / "C").symlink_to(tmp_path / "all")
    source = open_at(root, follow_links=True)
    assert list_refusals(source) == {"C/s": "special_file"}
    assert read_records(source)["C/more/z.png"].label == "C"


def test_two_classes_that_are_one_folder_are_an_error(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "s", files_of("A/x.png", "B/y.png"))
    (root / "C").symlink_to("A")
    with pytest.raises(SourceError, match="'C' is not read: a link to a folder that is read already: A"):
        open_at(root, follow_links=True)


def test_files_behind_links_that_lead_outside_are_read_where_allowed(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "s", files_of("A/x.png", "B/y.png"))
    (tmp_path / "z.png").write_bytes(b"outside")
    (root / "A" / "z.png").symlink_to(tmp_path / "z.png")
    assert list_refusals(open_at(root)) == {"A/z.png": "outside_source"}
    assert read_records(open_at(root, follow_links=True))["A/z.png"].data == b"outside"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_class_that_is_a_link_in_an_archive_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"s.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("real/Cat/a", b"1")
            archive.writestr("Dog/b", b"2")
            info = zipfile.ZipInfo("Cat")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "real/Cat")
    else:
        with tarfile.open(path, "w") as tar:
            for name in ("real/Cat/a", "Dog/b"):
                member = tarfile.TarInfo(name)
                member.size = 1
                tar.addfile(member, io.BytesIO(b"1"))
            member = tarfile.TarInfo("Cat")
            member.type, member.linkname = tarfile.SYMTYPE, "real/Cat"
            tar.addfile(member)
    with pytest.raises(SourceError, match=r"'Cat' is not read.*pack the archive again"):
        open_at(path)
    assert open_at(path, ignore=["/Cat"]).labels == ("Dog", "real")


def test_links_inside_classes_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = folder_of(tmp_path, files_of("A/x.png", "B/y.png"))
    (root / "B" / "a").symlink_to("../A")
    assert list_refusals(open_at(root)) == {"B/a": "special_file"}
    assert "links to folders inside classes are not followed, such as B/a" in caplog.text


def test_a_name_that_is_not_utf8_is_a_class_as_any_other(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")  # noqa: PTH102
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9/a.png")).write_bytes(b"1")
    source = open_at(folder_of(tmp_path, files_of("B/b.png")))
    assert source.labels == ("B", "caf\\xe9")
    assert read_records(source)["caf\\xe9/a.png"].data == b"1"
