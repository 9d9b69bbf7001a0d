"""Known files: what is known is not read, what may have changed is; results are those of the function."""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.collection.known_files import KnownFiles, Task, map_files
from pipeline.errors import ParamsError
from pipeline.params import Params
from pipeline.refusals import Refusal
from pipeline.sources import Record, Source, open_source, stamps
from pipeline.sources.disk import Folder
from pipeline.sources.tars import Tar
from pipeline.sources.zips import Zip

ParamsOf = Callable[..., Params]


class Length(NamedTuple):
    """A result: id and length of a file."""

    id: str
    n_bytes: int


def measure(item: tuple[bytes, str]) -> Length:
    """What workers run."""
    import hashlib

    return Length(hashlib.sha256(item[0]).hexdigest(), len(item[0]))


class Lengths:
    """A book of lengths; `computed` are the keys that were kept, in this run."""

    def __init__(self, known: KnownFiles, version: int = 1) -> None:
        self._shelf = known.store.shelf("lengths", version)
        self.is_empty = self._shelf.is_empty
        self.computed: list[str] = []

    def find(self, _: Record, image_id: str) -> Length | None:
        body = self._shelf.find(image_id)
        return Length(image_id, int(body)) if body else None

    def keep(self, record: Record, result: Length) -> None:
        self.computed.append(record.key)
        if not record.refusal:
            self._shelf.put(result.id, str(result.n_bytes).encode())


class Ran(NamedTuple):
    """The length of each key, the keys that were computed, and those that were read."""

    lengths: dict[str, int]
    computed: set[str]
    read: set[str]


Run = Callable[..., Ran]


@pytest.fixture
def read_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what containers read."""
    names: list[str] = []
    for kind in (Folder, Zip, Tar):
        original = kind._read

        def read(self: Any, entries: Any, original: Any = original) -> Iterator[Any]:
            for content in original(self, entries):
                names.append(content.entry.name)
                yield content

        monkeypatch.setattr(kind, "_read", read)
    return names


@pytest.fixture
def run(tmp_path: Path, params_of: ParamsOf, read_names: list[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(source)`: lengths of all files, with what is known from earlier runs."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    monkeypatch.setattr(stamps, "TIME_STEP_NS", 0)

    def run(source: Path | Source, version: int = 1) -> Ran:
        read_names.clear()
        if isinstance(source, Path):
            source = open_source(source, params_of().data)
        task = Task(measure, lambda record: (record.data, record.key), (b"", ""), chunk_items=4)
        with KnownFiles(tmp_path / "results") as known:
            book = Lengths(known, version)
            found = list(map_files(source, task, book, known))
        assert all(record.data == b"" for record, _ in found)
        lengths = {record.key: length.n_bytes for record, length in found}
        assert len(lengths) == len(found)
        return Ran(lengths, set(book.computed), set(read_names))

    return run


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two classes of ten files, of 1 to 20 bytes."""
    for i in range(20):
        file = tmp_path / "raw" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([i]) * (i + 1))
    return tmp_path / "raw"


def test_what_is_known_is_neither_read_nor_computed(raw: Path, run: Run) -> None:
    first = run(raw)
    assert first.lengths == {f"{'ab'[i % 2]}/{i}.png": i + 1 for i in range(20)}
    assert first.computed == first.read == first.lengths.keys()
    assert run(raw) == Ran(first.lengths, set(), set())


def test_a_new_batch_costs_the_batch(raw: Path, run: Run) -> None:
    run(raw)
    (raw / "a" / "new.png").write_bytes(b"x" * 50)
    (raw / "b" / "copy.png").write_bytes(b"\5" * 6)
    (raw / "a" / "0.png").rename(raw / "b" / "renamed.png")
    (raw / "a" / "2.png").write_bytes(b"y" * 3)
    (raw / "b" / "1.png").unlink()
    ran = run(raw)
    assert ran.computed == {"a/new.png", "a/2.png"}
    assert ran.read == {"a/new.png", "a/2.png", "b/copy.png", "b/renamed.png"}
    assert {"b/renamed.png": 1, "b/copy.png": 6, "a/2.png": 3, "a/new.png": 50}.items() <= ran.lengths.items()
    assert len(ran.lengths) == 21
    assert run(raw) == Ran(ran.lengths, set(), set())


def test_what_computes_it_otherwise_reads_once_and_computes_once(
    raw: Path, run: Run, read_names: list[str]
) -> None:
    run(raw)
    ran = run(raw, version=2)
    assert ran.computed == ran.read == ran.lengths.keys()
    assert len(read_names) == 20


def test_an_edit_that_takes_the_time_back_is_seen(raw: Path, run: Run) -> None:
    """The same size and the same times: what no program can set is the time of the change."""
    run(raw)
    file, before = raw / "a" / "4.png", (raw / "a" / "4.png").stat()
    with file.open("r+b") as opened:
        opened.write(b"z")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    ran = run(raw)
    assert (ran.read, ran.computed) == ({"a/4.png"}, {"a/4.png"})


def test_a_file_that_changed_just_now_is_not_trusted(
    raw: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It might change once more with the same times. What was made of its bytes is known all the same."""
    monkeypatch.setattr(stamps, "TIME_STEP_NS", 10**12)
    run(raw)
    ran = run(raw)
    assert (len(ran.read), ran.computed) == (20, set())
    monkeypatch.setattr(stamps, "TIME_STEP_NS", 0)
    assert len(run(raw).read) == 20
    assert run(raw).read == set()


def test_every_file_is_read_where_times_are_not_trusted(
    raw: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(raw)
    monkeypatch.setenv("DARKROOM_TRUST_MTIME", "0")
    ran = run(raw)
    assert (len(ran.read), ran.computed) == (20, set())


def test_a_trust_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_TRUST_MTIME", "yes")
    with pytest.raises(ParamsError, match="must be 0 or 1, got 'yes'"):
        KnownFiles(None)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_members_of_an_archive(raw: Path, run: Run, tmp_path: Path, kind: str) -> None:
    """Those of the same archive are not read; those of one that was packed again are, and not computed."""
    packed = tmp_path / f"packed.{kind}"

    def pack() -> None:
        packed.unlink(missing_ok=True)
        if kind == "zip":
            with zipfile.ZipFile(packed, "w") as archive:
                for file in sorted(raw.rglob("*.png")):
                    archive.write(file, file.relative_to(raw))
        else:
            with tarfile.open(packed, "w:gz" if kind == "tar.gz" else "w") as tar:
                tar.add(raw, arcname=".")

    pack()
    first = run(packed)
    assert len(first.computed) == 20
    assert run(packed) == Ran(first.lengths, set(), set())
    (raw / "b" / "9.png").write_bytes(b"!" * 10)  # the last member, so the others lie where they lay
    (raw / "b" / "99.png").write_bytes(b"\2\2")
    pack()
    ran = run(packed)
    assert (len(ran.read), ran.computed) == (21, {"b/9.png", "b/99.png"})
    assert run(packed).read == set()


def test_a_result_that_is_gone_is_computed_from_the_file(raw: Path, run: Run, tmp_path: Path) -> None:
    """Its sha256 is known by its times, so it is read after all others."""
    import sqlite3
    from contextlib import closing

    first = run(raw)
    with closing(sqlite3.connect(tmp_path / "results" / "results.db")) as db:
        db.execute("DELETE FROM body WHERE length(body) <= 5")  # the lengths below 10
        db.commit()
    ran = run(raw)
    small = {key for key, n_bytes in first.lengths.items() if n_bytes < 10}
    assert ran == Ran(first.lengths, small, small)


def test_files_that_cannot_be_read_and_files_in_tables(run: Run) -> None:
    """A record with a refusal is handed on; a source whose records are no files is read as ever."""

    def stream() -> Iterator[Record]:
        yield Record("a/1", "a", "", b"", Refusal("unreadable", "gone"))
        yield Record("a/2", "a", "", b"", Refusal("unreadable", "gone"))
        yield from (Record(f"a/{i}", "a", "", b"x" * i) for i in range(3, 9))

    source = Source(Path(), ("a",), 8, 0, (), stream)
    first = run(source)
    assert (len(first.lengths), len(first.computed)) == (8, 8)
    again = run(source)
    assert (again.lengths, again.computed) == (first.lengths, {"a/1", "a/2"})


def test_known_results_are_handed_on_a_few_at_a_time(
    tmp_path: Path, params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are known, only a window of them is held."""
    monkeypatch.setenv("DARKROOM_WORKERS", "1")
    monkeypatch.setattr(stamps, "TIME_STEP_NS", 0)
    for i in range(200):
        file = tmp_path / "raw" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * i)
    task = Task(measure, lambda record: (record.data, record.key), (b"", ""), chunk_items=4)
    held = most = 0

    class Counted(Lengths):
        def find(self, record: Record, image_id: str) -> Length | None:
            nonlocal held, most
            held += 1
            most = max(most, held)
            return super().find(record, image_id)

    for _ in range(2):
        with KnownFiles(tmp_path / "results") as known:
            source = open_source(tmp_path / "raw", params_of().data)
            for _ in map_files(source, task, Counted(known), known):
                held -= 1
        most_at_last, held, most = most, 0, 0
    assert 0 < most_at_last <= 40
