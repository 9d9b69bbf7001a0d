"""Small files that are made to exhaust, crash or mislead whoever reads them; `benchmarks.hostile` tries them.

A case is a name, the entry that reads it, and a function that writes it into a folder and returns its path.
"""

import bz2
import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.bombs import BOMBS, bmp_header, gif_header, png, png_chunk, tiff_header
from benchmarks.hostile_models import DEEP, list_models

Make = Callable[[Path], Path]
Case = tuple[str, str, Make]  # its name, its entry, and how it is written
MB = 1 << 20
PIXEL = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"  # a frame of a GIF


def put(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def put_later(name: str, build: Callable[[], bytes]) -> Make:
    def make(folder: Path) -> Path:
        return put(name, build())(folder)

    return make


def zip_of(*members: tuple[zipfile.ZipInfo | str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def link(name: str, target: bytes) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = 0o120777 << 16, zipfile.ZIP_DEFLATED
    return info, target


def overlap(n: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A/0", bytes(30 * MB))
        for number in range(1, n):
            other = zipfile.ZipInfo(f"A/{number}")
            for name in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(other, name, getattr(archive.filelist[0], name))
            archive.filelist.append(other)
    return stream.getvalue()


def gzip_zeros(n_bytes: int, head: bytes = b"", zero: bytes = b"\0") -> bytes:
    stream = io.BytesIO()
    with gzip.open(stream, "wb", compresslevel=9) as file:
        file.write(head)
        for _ in range(n_bytes // MB):
            file.write(zero * MB)
    return stream.getvalue()


def tar_header(name: str, kind: bytes, size: int, linkname: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, linkname
    return member.tobuf(tarfile.GNU_FORMAT)


def long_header(kind: bytes, n_bytes: int) -> bytes:
    return gzip_zeros(n_bytes, tar_header("././@LongLink", kind, n_bytes), b"a")


def sparse_tar() -> bytes:
    head = bytearray(tar_header("A/x", tarfile.GNUTYPE_SPARSE, 0))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return gzip.compress(bytes(head) + (b"0" * 504 + b"\1" + bytes(7)) * 200_000)


def tar_bz2() -> bytes:
    head = tar_header("A/x", tarfile.REGTYPE, 6 << 30)
    packer = bz2.BZ2Compressor()
    parts = [packer.compress(head), *(packer.compress(bytes(MB)) for _ in range(64))]
    return b"".join([*parts, packer.flush()])


def idx_pair(shape: tuple[int, int, int], n_labels: int) -> Make:
    def make(folder: Path) -> Path:
        images = bytes([0, 0, 8, 3]) + struct.pack(">3I", *shape)
        labels = bytes([0, 0, 8, 1]) + struct.pack(">I", n_labels)
        (folder / "in").mkdir()
        (folder / "in" / "train-images-idx3-ubyte.gz").write_bytes(gzip_zeros(64 * MB, images))
        (folder / "in" / "train-labels-idx1-ubyte.gz").write_bytes(gzip_zeros(64 * MB, labels))
        return folder / "in"

    return make


def many_ifds(n: int, circular: bool) -> bytes:
    """A TIFF of `n` pages of nothing but a size; with `circular`, the last points to the first."""
    parts, at = [b"II*\0\x08\0\0\0"], 8
    tags = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 64)]
    size = 2 + 12 * len(tags) + 4
    for number in range(n):
        last = 8 if circular else 0
        following = at + size if number < n - 1 else last
        packed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        parts.append(struct.pack("<H", len(tags)) + packed + struct.pack("<I", following))
        at += size
    return b"".join(parts) + bytes(64)


def many_strips(n: int) -> bytes:
    """A TIFF of one column whose rows are strips of their own."""
    tags = [(256, 4, 1, 1), (257, 4, 1, n), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, n, 200), (278, 4, 1, 1), (279, 4, n, 200)]
    packed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + packed + bytes(4)
    return head.ljust(200, b"\0") + struct.pack("<I", 1) * n


def icc_jpeg() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG")
    data = stream.getvalue()
    chunk = b"\xff\xe2" + struct.pack(">H", 65_000) + b"ICC_PROFILE\0\x01\xff" + bytes(65_000 - 16)
    return data[:2] + chunk * 1000 + data[2:]


def exif_jpeg() -> bytes:
    """EXIF whose directories point to themselves."""
    from PIL import Image

    stream = io.BytesIO()
    tags = [(0x0112, 3, 1, 6), (0x8769, 4, 1, 8), (0x8825, 4, 1, 8)]
    packed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + packed + struct.pack("<I", 8)
    Image.new("RGB", (64, 48), "red").save(stream, "JPEG", exif=exif)
    return stream.getvalue()


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 13))
HEADER = b"id,key,action,label,note\n"
NAMES = (b"a\x1b[2J", "a\u202egnp".encode(), b"=cmd|x", "\u200b".encode(), b"-1", b"x" * 250)


def awkward_names(folder: Path) -> Path:
    for number, name in enumerate(map(os.fsdecode, NAMES)):
        (folder / "in" / name).mkdir(parents=True)
        (folder / "in" / name / f"{name[:200]}.png").write_bytes(png(8, 8 + number))
    return folder / "in"


def list_cases() -> list[Case]:
    return [*_list_archives(), *_list_tables(), *_list_images(), *_list_texts(), *list_models()]


def _list_archives() -> list[Case]:
    huge_pax = tar_header("x", tarfile.XHDTYPE, 20 * MB)
    return [
        ("zip, a link of 300 MB", "source", put_later("s.zip", lambda: zip_of(link("A/x", bytes(300 * MB))))),
        ("zip, a name of 65,000 letters", "source", put("s.zip", zip_of(("A/" + "x" * 65_000, b"")))),
        ("zip, 200 members share 30 MB", "source", put_later("s.zip", lambda: overlap(200))),
        ("zip, 30 members share 30 MB", "source", put_later("s.zip", lambda: overlap(30))),
        (
            "zip, 3,000 links",
            "source",
            put("s.zip", zip_of(*(link(f"A/{i}", b"../" * 900) for i in range(3000)))),
        ),
        (
            "zip, a member of 600 MB of zeros",
            "source",
            put_later("s.zip", lambda: zip_of(("A/x", bytes(600 * MB)))),
        ),
        ("zip in bz2, 4.3 GB in 3 kB", "source", put_later("s.zip", bz2_zip)),
        ("zip that climbs", "source", put("s.zip", zip_of(("A/../../x", b"")))),
        ("zip, cut", "source", put("s.zip", zip_of(("A/x", b"1" * 999))[:-30])),
        ("tar.gz, a name of 300 MB", "source", put_later("s.tar.gz", lambda: long_header(b"L", 300 * MB))),
        ("tar.gz, a link of 300 MB", "source", put_later("s.tar.gz", lambda: long_header(b"K", 300 * MB))),
        ("tar.gz, PAX of 300 MB", "source", put_later("s.tar.gz", lambda: long_header(b"x", 300 * MB))),
        ("tar.gz, PAX that lies", "source", put("s.tar.gz", gzip.compress(huge_pax + bytes(1024)))),
        ("tar.gz, 10,000 long names in a row", "source", put_later("s.tar.gz", chain_names)),
        ("tar.gz, the map of a sparse file", "source", put_later("s.tar.gz", sparse_tar)),
        ("tar.gz in bz2, 6 GB", "source", put_later("s.tar.gz", tar_bz2)),
        ("names that terminals obey", "source", awkward_names),
        ("IDX.gz, 2^32 labels", "source", idx_pair((2**32 - 1, 1, 1), 2**32 - 1)),
        ("IDX.gz, pictures of 2^62 pixels", "source", idx_pair((1, 2**31, 2**31), 1)),
    ]


def bz2_zip() -> bytes:
    """A member of 30 MB that says that it has 4.3 GB."""
    one = zip_of(("A/x", bytes(30 * MB)), kind=zipfile.ZIP_BZIP2)
    return one.replace(struct.pack("<L", 30 * MB), struct.pack("<L", 2**32 - 2))


def chain_names() -> bytes:
    one = tar_header("././@LongLink", b"L", 512) + b"a" * 512
    return gzip.compress(one * 10_000)


def _list_tables() -> list[Case]:
    header = b"label" + b",p" * 784
    return [
        ("CSV, 4 million columns", "source", put("x.csv", b"label" + b",p" * 4_000_000 + b"\n")),
        ("CSV, a line of 300 MB", "source", put_later("x.csv", lambda: header + b"\n" + b"1" * (300 * MB))),
        ("CSV.gz, 2 GB of empty lines", "source", put_later("x.csv.gz", lambda: empty_lines(header))),
        ("overrides, a cell of 60 MB", "overrides", put("o.csv", HEADER + b",x," + b"y" * (60 * MB))),
        ("overrides of 300 MB", "overrides", put_later("o.csv", lambda: HEADER + b"y" * (300 * MB))),
        ("overrides, 100,000 columns", "overrides", put("o.csv", b"x," * 100_000)),
        ("overrides that are a picture", "overrides", put("o.csv", png(8, 8))),
    ]


def empty_lines(header: bytes) -> bytes:
    return gzip_zeros(2000 * MB, header + b"\n" + b"1" + b",0" * 784 + b"\n", b"\n")


def _list_images() -> list[Case]:
    bombs = [(f"bomb: {name}", "image", put("x", data)) for name, (data, _) in BOMBS.items()]
    strips = zlib.compress(bytes(1000))
    return [
        *bombs,
        ("GIF of 600,000 frames", "image", put("x.gif", gif_header(8, 8, 8)[:-1] + PIXEL * 600_000 + b";")),
        ("GIF that ends in its palette", "image", put("x.gif", gif_header(8, 8, 8)[:15])),
        ("PNG of 400,000 chunks", "image", put("x.png", png(8, 8, png_chunk(b"prVt", b"") * 400_000))),
        ("PNG whose chunk has 2 GB", "image", put("x.png", png(8, 8, b"\x7f\xff\xff\xffprVt"))),
        ("PNG of 2^31 x 1", "image", put("x.png", png(2**31 - 1, 1))),
        ("PNG that says 8,000 rows", "image", put("x.png", png(8000, 8000))),
        ("TIFF of 20,000 pages", "image", put("x.tif", many_ifds(20_000, circular=False))),
        ("TIFF whose pages go in a circle", "image", put("x.tif", many_ifds(3, circular=True))),
        ("TIFF of 1,000,000 strips", "image", put_later("x.tif", lambda: many_strips(1_000_000))),
        ("TIFF, 2^32 of a tag", "image", put("x.tif", tiff_header(8, 8, (33_432, 2, 0xFFFFFFFF, 8)))),
        ("BMP of -2^31 rows", "image", put("x.bmp", bmp_header(8, -(2**31)))),
        ("BMP of no width", "image", put("x.bmp", bmp_header(0, 8))),
        ("JPEG with 65 MB of ICC", "image", put_later("x.jpg", icc_jpeg)),
        ("JPEG whose EXIF goes in a circle", "image", put_later("x.jpg", exif_jpeg)),
        ("zlib stream named PNG", "image", put("x.png", strips)),
        ("300 MB of zeros named TIFF", "image", put_later("x.tif", lambda: bytes(300 * MB))),
        ("GIF of 600,000 frames", "predict", put("x.gif", gif_header(8, 8, 8)[:-1] + PIXEL * 600_000 + b";")),
        ("tar.gz, a name of 300 MB", "predict", put_later("s.tar.gz", lambda: long_header(b"L", 300 * MB))),
    ]


def _list_texts() -> list[Case]:
    texts = {
        "5,000 brackets": "a: " + "[" * 5000,
        "100,000 brackets": "a: " + "[" * 100_000,
        "5,000 mappings": "a: " + "{b: " * 5000,
        "a billion laughs": LAUGHS,
        "a mapping in itself": "a: &a {b: *a}",
        "10,000 digits": "a: " + "1" * 10_000,
        "hexadecimal of 100,000 digits": "a: 0x" + "f" * 100_000,
        "50,000 unknown keys": "".join(f"k{i}: 1\n" for i in range(50_000)),
        "a text of 20 MB": "a: " + "x" * (20 * MB),
        "no date": "a: 2026-99-99",
        "a key of 1 MB": "? " + "k" * MB + "\n: 1",
    }
    yaml = [(f"params: {name}", "params", put("p.yaml", text.encode())) for name, text in texts.items()]
    return [
        *yaml,
        ("JSON 100,000 deep", "json", put("a.json", DEEP)),
        ("JSON, 10,000 digits", "json", put("a.json", b"1" * 10_000)),
        ("JSON of 300 MB", "json", put_later("a.json", lambda: b"[" + b"1," * (150 * MB))),
    ]
