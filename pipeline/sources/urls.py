"""Places in an object store, by their URL: what a path is on disk.

Credentials and endpoints are what the store's own driver finds in the environment, never parameters. So a
place is a plain value, which can be sent to another process.
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import SourceError, one_line
from pipeline.sources.names import is_archive

# What DVC can depend on and fsspec can read, and the packages that both need for it.
_DRIVERS = {"s3": "dvc-s3", "gs": "dvc-gs", "azure": "dvc-azure"}
_PROTOCOLS = {"azure": "abfs"}  # fsspec's names, where they are others
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # of two letters and more: C:/ is a drive
# What stores say of a version of an object; the first one that is there counts.
_MARKS = ("ETag", "etag", "md5Hash")
_BLOCK_BYTES = 8 << 20  # of an archive, fetched at once: several pictures, and a list of members


@dataclass(frozen=True, slots=True)
class Status:
    """How large an object is, and what changes with its bytes: "" if the store does not say."""

    st_size: int
    mark: str


@dataclass(frozen=True, slots=True)
class Url:
    """A place in an object store: a prefix, which is its folder, or one object."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The last part."""
        return self.text.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The place as the driver names it: bucket and name."""
        return self.text.partition("://")[2]

    def child(self, path: str) -> "Url":
        """The place that the driver calls so."""
        return Url(f"{self.text.partition('://')[0]}://{path.lstrip('/')}")

    def connect(self) -> Any:
        """The file system of fsspec that reads here; it remembers no listing.

        Raises:
            SourceError: its driver is not installed.
        """
        import fsspec

        scheme = self.text.partition("://")[0]
        try:
            return fsspec.filesystem(_PROTOCOLS.get(scheme, scheme), use_listings_cache=False)
        except ImportError:
            raise SourceError(
                f"the source {self} needs the package {_DRIVERS[scheme]}, which is not installed; run "
                f"`uv pip install {_DRIVERS[scheme]}`"
            ) from None

    def find(self) -> dict[str, Status]:
        """Every object below, by its name below this place, sorted; {} if there is none.

        A name that ends in "/" is an empty folder. First folders are listed one after the other: what a
        driver says of an object takes several times the memory of what is kept.

        Raises:
            SourceError: it cannot be listed.
        """
        found: dict[str, Status] = {}
        with translate_store(self):
            files = self.connect()
            for info in self._list(files):
                inside = {info["name"]: info}
                if info["type"] == "directory":
                    inside = files.find(info["name"], detail=True) or {f"{info['name']}/": info}
                for path, one in inside.items():
                    end = "/" if path.endswith("/") else ""
                    name = path.strip("/").removeprefix(f"{self.path}/") + end
                    found[name] = Status(int(one["size"] or 0), read_mark(one))
        return dict(sorted(found.items()))

    def _list(self, files: Any) -> list[dict[str, Any]]:
        try:
            listed: list[dict[str, Any]] = files.ls(self.path, detail=True)
        except FileNotFoundError:
            if "/" in self.path:  # a prefix without objects; without a bucket, this fails again
                files.ls(self.path.partition("/")[0])
                return []
            raise
        return [info for info in listed if info["name"].strip("/") != self.path]

    def stat(self) -> Status:
        """The one object that is here.

        Raises:
            FileNotFoundError: there is none.
            SourceError: the store cannot be asked.
        """
        with translate_store(self, missing=True):
            files = self.connect()
            info = files.info(self.path)
        if info["type"] != "file":
            raise FileNotFoundError(str(self))
        return Status(int(info["size"] or 0), read_mark(info))

    def is_file(self) -> bool:
        """Whether it is one object, an archive; told by its name."""
        return is_archive(self.name)

    def exists(self) -> bool:
        """Whether it can be looked for here; the store is asked when it is read."""
        return True

    def is_dir(self) -> bool:
        """Whether it is a prefix."""
        return not self.is_file()

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A binary stream of the one object here, fetched in blocks; what it raises is a SourceError."""
        return io.BufferedReader(_Blocks(self), _BLOCK_BYTES)


class _Blocks(io.RawIOBase):
    """An object as a file: each read is one request."""

    def __init__(self, place: Url) -> None:
        super().__init__()
        self._place, self._files = place, place.connect()
        self._size, self._offset = place.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("a place before the beginning of an object")
        self._offset = start + offset
        return self._offset

    def readinto(self, buffer: Any) -> int:
        end = min(self._offset + len(buffer), self._size)
        if end <= self._offset:
            return 0
        with translate_store(self._place):
            data = self._files.cat_file(self._place.path, start=self._offset, end=end)
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)


Place = Path | Url


def find_place(root: Path, text: str) -> Place:
    """Where `data.source` leads: a path, relative to the root unless absolute, or a place in an object store.

    Raises:
        SourceError: it is a URL of a kind that is not read.
    """
    found = _SCHEME.match(text)
    if not found:
        return root / text
    if "@" in text[found.end() :].partition("/")[0]:
        raise SourceError(
            "data.source: a URL with a name or key before @ is not read, since params.yaml is no place for "
            "secrets; write the bucket alone, and put credentials into the environment"
        )
    if found[1] in _DRIVERS:
        if not text[found.end() :].partition("/")[0]:
            raise SourceError(f"data.source: {text!r} names no bucket; write {found[0]}BUCKET/PREFIX")
        return Url(text.rstrip("/"))
    allowed = ", ".join(f"{name}://" for name in _DRIVERS)
    raise SourceError(
        f"data.source: {found[0]} is not read; allowed: {allowed}, and paths; copy it to one "
        "of these, or to disk: DVC must be able to tell whether a source has changed"
    )


def is_url(text: str) -> bool:
    """Whether `data.source` leads to an object store."""
    return bool(_SCHEME.match(text))


def find_scheme(text: str) -> str:
    """The kind of object store that a text without its "://" may mean, as s3:bucket does; "" if none."""
    return next((name for name in _DRIVERS if re.match(f"{name}(:|//)", text, re.IGNORECASE)), "")


def read_mark(info: Mapping[str, Any]) -> str:
    """What a store says that changes with the bytes of an object."""
    return next((str(info[key]).strip('"') for key in _MARKS if info.get(key)), "")


@contextmanager
def translate_store(place: Url, *, missing: bool = False) -> Iterator[None]:
    """Turn what a driver raises into a SourceError of one line.

    Args:
        missing: let a FileNotFoundError through.
    """
    try:
        yield
    except SourceError:
        raise
    except Exception as error:  # each driver has errors of its own, of no common kind
        if missing and isinstance(error, FileNotFoundError):
            raise
        raise SourceError(f"the source {place} cannot be read: {one_line(error)}; {_advise(error)}") from None


def _advise(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is the bucket spelt right?"
    if isinstance(error, PermissionError) or "credential" in str(error).lower():
        return "see whether the credentials in the environment are there, have not expired, and may read it"
    return "see whether the store can be reached, and run `dvc repro` again"
