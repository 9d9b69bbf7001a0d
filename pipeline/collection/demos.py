"""Public data sets to try Darkroom on, put into `data/raw` whole or not at all."""

import gzip
import hashlib
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.storage import STORAGE_FAULTS, translate_errors

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 30
UNFINISHED = ".demo-unfinished"  # in data/raw while a demo is being put there


@dataclass(frozen=True)
class Checksums:
    """`gz_md5` of the published file, and `sha256` of its content, whoever compressed it."""

    gz_md5: str
    sha256: str


@dataclass(frozen=True)
class IdxSet:
    """A set in four gzipped IDX files: `url` ends with "/"; `local` is where a package puts them."""

    title: str
    url: str
    files: Mapping[str, Checksums]
    local: Path | None = None
    advice: str = ""


FASHION_MNIST = IdxSet(
    title="Fashion-MNIST",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    local=Path("/usr/share/datasets/fashion-mnist"),
    advice="on Debian or Ubuntu, `apt-get install dataset-fashion-mnist` brings them",
    files={
        "train-images-idx3-ubyte.gz": Checksums(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        "train-labels-idx1-ubyte.gz": Checksums(
            "25c81989df183df01b3e8a0aad5dffbe",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "t10k-images-idx3-ubyte.gz": Checksums(
            "bef4ecab320f06d8554ea6380940ec79",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        "t10k-labels-idx1-ubyte.gz": Checksums(
            "bb300cfdad3c16e7a12a480ee83cd310",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
)

MNIST = IdxSet(
    title="MNIST",
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    files={
        "train-images-idx3-ubyte.gz": Checksums(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        "train-labels-idx1-ubyte.gz": Checksums(
            "d53e105ee54ea25749a09fcbcd1e9432",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "t10k-images-idx3-ubyte.gz": Checksums(
            "9fb629c4189551a2d022fa330f9573f3",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        "t10k-labels-idx1-ubyte.gz": Checksums(
            "ec29112dd5afa0611ce80d1b7f02629c",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
)

# The lines of params.yaml that suit a demo; `darkroom demo` prints them.
PARAMS = {
    "digits": "",
    "mnist": "clean:\n  image_hw: [28, 28]\n  channels: 1",
    "fashion-mnist": (
        "data:\n  class_names: [T-shirt, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Boot]\n"
        "clean:\n  image_hw: [28, 28]\n  channels: 1"
    ),
}


def fill(name: str, raw: Path) -> None:
    """Put the demo `name` (a key of DEMOS) into the folder `raw`, which must be empty.

    Raises:
        SourceError: there is no such demo, `raw` holds something, or the files cannot be fetched.
    """
    if name not in DEMOS:
        raise SourceError(f"there is no demo {name!r}; allowed: {', '.join(DEMOS)}")
    if not is_empty(raw):
        raise SourceError(
            f"{raw} already holds {min(_list_shown(raw)).name!r} and nothing is ever overwritten; "
            "move what is there away, or set data.source to another folder"
        )
    with fill_whole(raw) as folder:
        DEMOS[name](folder)


def is_empty(raw: Path) -> bool:
    """Whether `raw` is missing or holds nothing but dot files.

    Raises:
        SourceError: a demo was interrupted while its files were being moved into `raw`.
    """
    empty = next(_list_shown(raw), None) is None
    if not empty and (raw / UNFINISHED).exists():
        raise SourceError(f"a demo was interrupted and {raw} is half filled; empty it and run the demo again")
    return empty


@contextmanager
def fill_whole(raw: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, and move its content into `raw` on success.

    The folder lies inside `raw`, so it is on the same disk even if `raw` is a mount. It is removed last: as
    long as it exists, `raw` is not whole. On an exception `raw` is left as it was. Nothing is synced: what a
    power cut takes is fetched again, and validate names files that are empty.

    Raises:
        StorageError: `raw` cannot be written.
    """
    unfinished = raw / UNFINISHED
    with translate_errors(raw):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        for entry in sorted(unfinished.iterdir()):
            entry.rename(raw / entry.name)
        unfinished.rmdir()


def write_digits(folder: Path) -> None:
    """Write scikit-learn's 1,797 handwritten digits, 8x8 grey, as `<digit>/<number>.png`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (picture, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        rows = [bytes(int(value * 255 / 16 + 0.5) for value in row) for row in picture]
        path = folder / str(digit) / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_grey_png(rows))


def encode_grey_png(rows: list[bytes]) -> bytes:
    """An 8-bit grey PNG of at most 65,535 bytes of pixels, stored rather than compressed.

    Compressors of different versions of zlib write different bytes. Stored bytes are the same on every
    machine, and so are the ids of the pictures and their split. (RFC 1950, 1951; PNG 1.2.)
    """
    pixels = b"".join(b"\0" + row for row in rows)  # 0: no filter
    block = struct.pack("<BHH", 1, len(pixels), len(pixels) ^ 0xFFFF) + pixels
    stored = b"\x78\x01" + block + struct.pack(">I", zlib.adler32(pixels))
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _encode_chunk(b"IHDR", header)
        + _encode_chunk(b"IDAT", stored)
        + _encode_chunk(b"IEND", b"")
    )


def fetch(idx: IdxSet, folder: Path) -> None:
    """Put the IDX files of a set into `folder`: copied where installed, otherwise downloaded.

    Raises:
        SourceError: a file cannot be downloaded, or does not hold what was published.
    """
    installed = idx.local is not None and all((idx.local / name).is_file() for name in idx.files)
    for name, checksums in idx.files.items():
        if installed and idx.local is not None:
            shutil.copyfile(idx.local / name, folder / name)
        else:
            _download(idx, name, folder)
        if _hash_content(folder / name) != checksums.sha256:
            where = idx.local if installed else idx.url
            raise SourceError(
                f"{name} from {where} does not hold {idx.title} as published; {_give_advice(idx)}"
            )


def _download(idx: IdxSet, name: str, folder: Path) -> None:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(
        timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), progressbar=sys.stderr.isatty()
    )
    try:
        pooch.retrieve(
            idx.url + name, f"md5:{idx.files[name].gz_md5}", fname=name, path=folder, downloader=downloader
        )
    except (OSError, ValueError) as error:  # no connection, an HTTP error; another checksum
        if isinstance(error, OSError) and error.errno in STORAGE_FAULTS:
            raise  # of the disk, for `fill_whole` to explain
        raise SourceError(
            f"cannot download {idx.url}{name}: {_find_cause(error)}; {_give_advice(idx)}"
        ) from None


def _find_cause(error: BaseException) -> str:
    """The text of an error's innermost cause, which is the shortest."""
    inner = error.__cause__ or error.__context__
    return _find_cause(inner) if inner else " ".join(str(error).split()) or type(error).__name__


def _give_advice(idx: IdxSet) -> str:
    files = ", ".join(idx.files)
    by_hand = f"put {idx.title}'s files ({files}) into data/raw yourself"
    return f"{idx.advice}, or {by_hand}" if idx.advice else by_hand


def _hash_content(path: Path) -> str:
    """The sha256 of what a .gz file holds; "" if it is damaged."""
    try:
        return hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
    except (OSError, EOFError, zlib.error):
        return ""


def _list_shown(raw: Path) -> Iterator[Path]:
    return (entry for entry in raw.glob("*") if not entry.name.startswith("."))


def _encode_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


DEMOS: Mapping[str, Callable[[Path], None]] = {
    "digits": write_digits,
    "fashion-mnist": partial(fetch, FASHION_MNIST),
    "mnist": partial(fetch, MNIST),
}
