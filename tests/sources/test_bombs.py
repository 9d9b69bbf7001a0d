"""Small archives and tables that state or unpack to enormous lengths: refused in words, and not read."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.sources import containers
from tests.effort import limit_effort
from tests.sources.test_sources import folder_of, list_refusals, make_idx, open_at, zip_of

MB = 1 << 20


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """No refusal takes long: what is refused was not read."""
    with limit_effort(500):
        yield


def tar_gz_of(path: Path, *members: tarfile.TarInfo, **settings: object) -> Path:
    with tarfile.open(path, "w:gz", **settings) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def raw_tar_gz_of(path: Path, *blocks: bytes) -> Path:
    path.write_bytes(gzip.compress(b"".join(blocks) + bytes(1024)))
    return path


def extend(kind: bytes, n_bytes: int) -> bytes:
    """The header of a long name, a long link or PAX records, and that many bytes of it."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = kind, n_bytes
    return member.tobuf(tarfile.GNU_FORMAT) + b"a" * n_bytes + bytes(-n_bytes % 512)


def map_sparse(n_blocks: int) -> bytes:
    """An old GNU header of a sparse file, whose map goes on for so many blocks."""
    member = tarfile.TarInfo("A/x")
    member.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    block = b"0" * 504 + b"\1" + bytes(7)
    return bytes(head) + block * n_blocks


def name_long(path: Path) -> Path:
    return tar_gz_of(path, tarfile.TarInfo("A/" + "x" * 20 * MB), format=tarfile.GNU_FORMAT)


def name_long_in_pax(path: Path) -> Path:
    return tar_gz_of(path, tarfile.TarInfo("A/" + "x" * 20 * MB), format=tarfile.PAX_FORMAT)


def link_far(path: Path) -> Path:
    member = tarfile.TarInfo("A/x")
    member.type, member.linkname = tarfile.SYMTYPE, "y/" * 10 * MB
    return tar_gz_of(path, member, format=tarfile.GNU_FORMAT)


def describe_globally(path: Path) -> Path:
    with tarfile.open(path, "w:gz", pax_headers={f"key{i}": "v" for i in range(101)}) as archive:
        archive.addfile(tarfile.TarInfo("A/x"))
    return path


TARS = [
    pytest.param(name_long, r"more than 262,144 bytes", id="GNU name of 20 MB"),
    pytest.param(name_long_in_pax, r"more than 262,144 bytes", id="PAX name of 20 MB"),
    pytest.param(link_far, r"more than 262,144 bytes", id="link of 20 MB"),
    pytest.param(describe_globally, "more than 100 global PAX records", id="global PAX records"),
    pytest.param(
        lambda path: raw_tar_gz_of(path, *[extend(tarfile.GNUTYPE_LONGNAME, 512)] * 900),
        "more than 262,144 bytes",
        id="a long name of a long name of a long name",
    ),
    pytest.param(
        lambda path: raw_tar_gz_of(path, extend(tarfile.XHDTYPE, 20 * MB)),
        "more than 262,144 bytes",
        id="PAX records that are none",
    ),
    pytest.param(
        lambda path: raw_tar_gz_of(path, map_sparse(20_000)),
        "more than 262,144 bytes",
        id="map of a sparse file",
    ),
    pytest.param(
        lambda path: tar_gz_of(path, tarfile.TarInfo("A/" + "x" * 5000)),
        r"5,002 characters \(A/xxx.*\.\.\.\), up to 4,096 are allowed",
        id="name of 5,000 characters",
    ),
]


@pytest.mark.parametrize(("make", "message"), TARS)
def test_no_header_of_a_tar_is_read_whole(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        open_at(make(tmp_path / "s.tar.gz"))
    assert len(str(caught.value)) < 400


def test_names_of_4096_characters_are_read(tmp_path: Path) -> None:
    name = "A/" + "/".join(["x" * 99] * 40)
    (tmp_path / "tar").mkdir()
    tar = tar_gz_of(tmp_path / "tar" / "s.tar.gz", tarfile.TarInfo(name), tarfile.TarInfo("B/y"))
    for path in (tar, zip_of(tmp_path / "s", {name: b"", "B/y": b""})):
        assert {record.key for record in open_at(path).stream_records()} == {name, "B/y"}


def zip_link(path: Path, n_characters: int, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("A/file", b"data")
        info = zipfile.ZipInfo("A/link")
        info.external_attr, info.compress_type = 0o120777 << 16, kind
        archive.writestr(info, "x" * n_characters)
    return path


def test_no_link_of_a_zip_is_read_whole(tmp_path: Path) -> None:
    source = open_at(zip_link(tmp_path / "s.zip", 20 * MB))
    assert list_refusals(source) == {"A/link": "unreadable"}
    (refusal,) = [record.refusal for record in source.stream_records() if record.refusal]
    assert refusal.detail == "a link whose target has 20,971,520 characters"


def test_a_link_that_states_less_than_it_holds_is_damage(tmp_path: Path) -> None:
    path = zip_link(tmp_path / "s.zip", 20 * MB)
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", 20 * MB), struct.pack("<L", 20)))
    with pytest.raises(SourceError, match="cannot be read: Bad CRC-32"):
        open_at(path)


def test_a_zip_name_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="60,002 characters"):
        open_at(zip_of(tmp_path / "s", {"A/" + "x" * 60_000: b""}))


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A zip of 23 kB whose 30 members are all the same 20 MB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A/0", bytes(20 * MB))
        first = archive.filelist[0]
        for number in range(1, 30):
            other = zipfile.ZipInfo(f"A/{number}")
            for name in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(other, name, getattr(first, name))
            archive.filelist.append(other)
    (tmp_path / "s.zip").write_bytes(stream.getvalue())
    with pytest.raises(SourceError, match="its members overlap"):
        open_at(tmp_path / "s.zip")


def test_an_empty_zip_has_no_members_that_overlap(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no images"):
        open_at(zip_of(tmp_path / "s", {}))


def bomb_zip(path: Path) -> Path:
    with zipfile.ZipFile(path / "s.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("A/x", bytes(8 * MB))
    return path / "s.zip"


def bomb_tar(path: Path) -> Path:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:bz2") as archive:
        member = tarfile.TarInfo("A/x")
        member.size = 8 * MB
        archive.addfile(member, io.BytesIO(bytes(8 * MB)))
    (path / "s.tar.gz").write_bytes(stream.getvalue())  # tarfile goes by the bytes, not by the name
    return path / "s.tar.gz"


def bomb_idx(path: Path) -> Path:
    """A .gz in a zip: twice packed."""
    images, labels = make_idx(bytes(8 * MB), 8 * MB, 1, 1), make_idx(bytes(8 * MB), 8 * MB)
    files = {"images-idx3-ubyte.gz": images, "labels-idx1-ubyte.gz": labels}
    with zipfile.ZipFile(path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, gzip.compress(data))
    return path / "s.zip"


def bomb_csv(path: Path) -> Path:
    rows = gzip.compress(b"label,p1,p2,p3,p4\n" + b"1,0,0,0,0\n" * MB)
    with zipfile.ZipFile(path / "s.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.csv.gz", rows)
    return path / "s.zip"


@pytest.mark.parametrize("make", [bomb_zip, bomb_tar, bomb_idx, bomb_csv])
def test_what_unpacks_to_too_much_is_not_unpacked(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "_FREE_BYTES", MB)
    with pytest.raises(SourceError, match="a decompression bomb is not read"):
        open_at(make(tmp_path))


def test_idx_headers_are_not_believed(tmp_path: Path) -> None:
    huge = {
        "images-idx3-ubyte": make_idx(b"", 0, 2**31, 2**31),
        "labels-idx1-ubyte": make_idx(b"", 2**32 - 1),
    }
    with pytest.raises(SourceError, match="4,294,967,295 bytes but holds 0"):
        open_at(folder_of(tmp_path / "a", huge))
    flat = {"images-idx3-ubyte": make_idx(b"", 3, 0, 2**31), "labels-idx1-ubyte": make_idx(b"\0\0\0", 3)}
    with pytest.raises(SourceError, match=r"images of 0 x 2,147,483,648 pixels; from 1 to"):
        open_at(folder_of(tmp_path / "b", flat))
    more = gzip.compress(make_idx(bytes(20 * MB), 3))
    with pytest.raises(SourceError, match="3 bytes but holds 1,048,576 or more"):
        open_at(folder_of(tmp_path / "c", {"images-idx3-ubyte": b"", "labels-idx1-ubyte.gz": more}))


def test_a_csv_header_of_a_million_columns_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"label" + b",p" * 10**6 + b"\n")
    with pytest.raises(SourceError, match="1,000,001 columns, a label and 2 x 2") as caught:
        open_at(tmp_path / "x.csv")
    assert len(str(caught.value)) < 400


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """More of them than are read at a time."""
    (tmp_path / "x.csv").write_bytes(b"label,p1,p2,p3,p4\n1,0,1,2,3\n" + b"\n" * 20 * MB + b"2,0,1,2,3\n")
    assert [record.label for record in open_at(tmp_path / "x.csv").stream_records()] == ["1", "2"]


def test_a_csv_whose_labels_number_the_rows_is_refused(tmp_path: Path) -> None:
    rows = b"".join(b"%d,0,0,0,0\n" % number for number in range(10_001))
    (tmp_path / "x.csv").write_bytes(b"label,p1,p2,p3,p4\n" + rows)
    with pytest.raises(SourceError, match="more than 10,000 different labels in the column 'label'"):
        open_at(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        pytest.param("a\u202egnp.exe", "a\\xe2\\x80\\xaegnp.exe", id="right to left"),
        pytest.param("a\u2066b\u2069.png", "a\\xe2\\x81\\xa6b\\xe2\\x81\\xa9.png", id="isolated"),
        pytest.param("\u200fa\u061c.png", "\\xe2\\x80\\x8fa\\xd8\\x9c.png", id="marks of direction"),
        pytest.param("Cat\u200b\ufeff.png", "Cat\\xe2\\x80\\x8b\\xef\\xbb\\xbf.png", id="zero width"),
        pytest.param("a\u2028b\x9b31m.png", "a\\xe2\\x80\\xa8b\\xc2\\x9b31m.png", id="a line, and C1"),
    ],
)
def test_names_that_look_like_others_are_spelt_out(name: str, key: str, tmp_path: Path) -> None:
    for path in (folder_of(tmp_path / "in", {f"A/{name}": b""}), zip_of(tmp_path / "s", {f"A/{name}": b""})):
        assert [record.key for record in open_at(path).stream_records()] == [f"A/{key}"]
