"""Slices of a source: they travel without bytes, and are read where they arrive, as the source itself reads.

`tests/workers/test_cluster.py` sends them to a cluster.
"""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.collection.distant_files import Item, Slices
from pipeline.params import Params
from pipeline.sources import PutOff, Source, Unread, cut_slice, open_source, wrap_files

ParamsOf = Callable[..., Params]
KINDS = ("folder", "zip", "tar")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two classes of twelve files, of 1,000 bytes and more; one is a link to another."""
    for i in range(12):
        file = tmp_path / "raw" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([i]) * (1000 + i))
    (tmp_path / "raw" / "b" / "link.png").symlink_to("1.png")
    return tmp_path / "raw"


def open_as(kind: str, raw: Path, params: Params) -> Source:
    if kind == "folder":
        return open_source(raw, params.data)
    shutil.make_archive(str(raw), kind, raw)
    return open_source(raw.with_suffix(f".{kind}"), params.data)


def send(source: Source, recall: PutOff) -> tuple[list[Item], bytes]:
    """What is sent of a source, and its pickled form."""
    items: list[Item] = [(one.unread, (one.data, one.key)) for one in source.stream_records(recall)]
    return items, pickle.dumps(Slices().pack(items))


@pytest.mark.parametrize("kind", KINDS)
def test_a_slice_is_read_where_it_arrives_as_the_source_reads(
    kind: str, raw: Path, params_of: ParamsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = open_as(kind, Path("raw"), params_of())  # a relative path, which means nothing elsewhere
    expected = [(one.data, one.key) for one in source.stream_records()]
    items, sent = send(source, PutOff())
    assert [item[1] for _, item in items] == [key for _, key in expected]
    assert (len(sent) < 12_000) == (kind != "tar")
    monkeypatch.chdir("/")
    found = Slices().unpack(pickle.loads(sent))
    assert [item for item, _ in found] == expected
    assert all(note is None or (note.data == b"" and note.refusal is None) for _, note in found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_by_its_stamp_can_still_be_read_elsewhere(
    kind: str, raw: Path, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.stamps.TIME_STEP_NS", 0)
    source = open_as(kind, raw, params_of())
    found = list(source.stream_records(PutOff(lambda _: "f" * 64)))
    assert {one.id for one in found} == {"f" * 64}
    assert all((one.unread is None) == (kind == "tar") for one in found)


def test_a_file_that_is_gone_there_has_a_note(raw: Path, params_of: ParamsOf) -> None:
    _, sent = send(open_as("folder", raw, params_of()), PutOff())
    (raw / "a" / "2.png").unlink()
    notes = [note for _, note in Slices().unpack(pickle.loads(sent)) if note and note.refusal]
    assert [note.entry.name for note in notes] == ["a/2.png"]


def test_neighbours_of_one_source_are_one_slice_and_order_stays(
    raw: Path, params_of: ParamsOf, tmp_path: Path
) -> None:
    one, other = open_as("folder", raw, params_of()), open_as("zip", raw, params_of())
    first, _ = send(one, PutOff())
    second, _ = send(other, PutOff())
    mixed: list[Item] = [*first[:3], (None, (b"bytes", "idle")), *second[:2], *first[3:5]]
    packed = Slices().pack(mixed)
    assert [len(items) for _, items in packed] == [3, 1, 2, 2]
    keys = [item[1] for item, _ in Slices().unpack(pickle.loads(pickle.dumps(packed)))]
    assert keys == [item[1] for _, item in mixed]


def test_files_by_relative_paths_are_found_from_elsewhere(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(raw)
    container = wrap_files(["a/2.png", "b/1.png"])
    piece = cut_slice([Unread(container, entry) for entry in container.entries])
    monkeypatch.chdir("/")
    assert [len(one.data) for one in pickle.loads(pickle.dumps(piece)).read()] == [1002, 1001]
