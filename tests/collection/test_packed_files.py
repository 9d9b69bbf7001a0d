"""Files in columns: the same files in the same order, and each by its key."""

import pytest

from pipeline.collection import packed_files
from pipeline.collection.file_plan import File
from pipeline.collection.packed_files import PackedFiles
from pipeline.refusals import Refusal

N = 50


def make_files() -> dict[str, File]:
    files = [
        File(
            f"{number:064x}",
            f"a/{number:03d}é",
            "a" * (number % 3),
            "",
            None,
            ("alpha",) * (number % 2),
            number,
        )
        for number in range(N)
    ]
    files += [
        File(None, "b/away", "b", "test", Refusal("unreadable", "a folder: no"), ()),
        File("0" * 64, "b/copy", "b", "train", Refusal("duplicate", "the same bytes as a/000é"), ()),
        File("f" * 64, "b/restored", "b", "val", None, ("alpha", "cmyk"), 7, is_restored=True),
    ]
    return {file.key: file for file in files}


@pytest.mark.parametrize("n_at_a_time", [1, 7, 1024])
def test_files_are_what_they_were(n_at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_files, "_BATCH_ROWS", n_at_a_time)
    monkeypatch.setattr(packed_files, "_RECENT", n_at_a_time)
    expected = make_files()
    packed = PackedFiles(make_files())
    assert list(packed.items()) == list(expected.items())
    assert (list(packed), list(packed.values())) == (list(expected), list(expected.values()))
    assert len(packed) == len(packed.values()) == len(expected)
    for _ in range(2):
        assert {key: packed[key] for key in sorted(expected, reverse=True)} == expected


def test_a_key_that_is_not_there_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its hash is that of others."""
    monkeypatch.setattr(packed_files, "_hash", len)
    expected = make_files()
    packed = PackedFiles(make_files())
    assert {key: packed[key] for key in expected} == expected
    for key in ("a/999é", "", "c/very-long-name"):
        assert key not in packed
        with pytest.raises(KeyError):
            packed[key]


def test_a_changed_file_takes_the_place_of_its_key() -> None:
    packed, expected = PackedFiles(make_files()), make_files()
    assert packed["a/003é"].at == 3
    changed = {"a/003é": File("1" * 64, "a/003é", "b", "", Refusal("unreadable", "no"), ())}
    packed.update(changed)
    assert packed["a/003é"] == changed["a/003é"]
    assert list(packed.items()) == list((expected | changed).items())


def test_no_file_at_all_and_what_was_given_is_empty() -> None:
    assert list(PackedFiles({}).values()) == []
    files = make_files()
    PackedFiles(files)
    assert files == {}
