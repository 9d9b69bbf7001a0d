"""What tables of pixels have in common: rows as PGM bytes, numbered labels, parts named by the file.

A row becomes a record whose bytes are a binary PGM, so later stages read encoded pictures only. Labels are
numbers; `class_names` names them.
"""

import gzip
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, cast

from pipeline.characters import cut
from pipeline.errors import SourceError
from pipeline.labels import compose_label, sort_naturally
from pipeline.sources.containers import DAMAGED, TABLE_GROWTH, Entry, check_growth, summarise
from pipeline.sources.records import Listing, Record, Source
from pipeline.sources.urls import Place

_ROLES = (("train", "train"), ("t10k", "test"), ("test", "test"), ("validation", "val"), ("val", "val"))

_log = logging.getLogger(__name__)


def encode_pgm(pixels: bytes, image_hw: tuple[int, int]) -> bytes:
    """A grey picture as a binary PGM: `pixels` row by row, one byte each."""
    height, width = image_hw
    return b"P5\n%d %d\n255\n" % (width, height) + pixels


def build_source(
    listing: Listing,
    stream: Callable[[], Iterator[Record]],
    *,
    used: set[Entry],
    labels: Sequence[str],
    n_records: int,
) -> Source:
    """The source of a stream of rows; files beside its tables count as ignored."""
    others = sorted(listing.name(entry) for entry in listing.entries if entry not in used)
    if others:
        shown = [cut(other, 100) for other in others[:5]]
        _log.info("%s: %d files beside the tables are left out: %s", listing.where, len(others), shown)
    return Source(listing.where, tuple(labels), n_records, listing.n_ignored + len(others), ("PPM",), stream)


def find_role(name: str, *, anywhere: bool = False) -> str:
    """Which part a file's name says it is (train | val | test | ""): at its end, or anywhere in it."""
    said = [
        role for word, role in _ROLES if (word in name.lower() if anywhere else name.lower().endswith(word))
    ]
    return said[0] if said else ""


def has_split(roles: Sequence[str]) -> bool:
    """Whether the parts of a source are a split of its own: training and at least one other."""
    return "train" in roles and len(roles) > 1


def name_numbers(numbers: set[int], class_names: Sequence[str], listing: Listing) -> dict[int, str]:
    """A name for each number.

    Raises:
        SourceError: there are class names, and too few of them.
    """
    if not class_names:
        return {number: str(number) for number in numbers}
    if min(numbers) < 0 or max(numbers) >= len(class_names):
        raise SourceError(
            f"the source {listing.where} has labels from {min(numbers)} to {max(numbers)}, but "
            f"data.class_names has {len(class_names)} names; give one for each number from 0"
        )
    return {number: compose_label(class_names[number]) for number in numbers}


class _Unzipped(gzip.GzipFile):
    """The bytes in a .gz, as many as the source can honestly hold."""

    def __init__(self, stream: IO[bytes], where: Place) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self._where, self._n_bytes = where, 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._n_bytes += len(data)
        check_growth(self._n_bytes, self._where, TABLE_GROWTH)
        return data


@contextmanager
def open_entry(listing: Listing, entry: Entry) -> Iterator[IO[bytes]]:
    """A stream of one entry, unzipped where its name ends in .gz.

    Raises:
        SourceError: it cannot be read to its end.
    """
    try:
        with listing.container.open(entry) as stream:
            if entry.name.lower().endswith(".gz"):
                with _Unzipped(stream, listing.where) as unzipped:
                    yield cast(IO[bytes], unzipped)
            else:
                yield stream
    except DAMAGED as error:
        raise SourceError(
            f"{listing.name(entry)} in {listing.where} cannot be read: {summarise(error)}; "
            "get a complete copy"
        ) from None


def list_labels(names: dict[int, str], class_names: Sequence[str]) -> tuple[str, ...]:
    """All labels: `class_names` in their order, even those without a row; without names, those found."""
    return tuple(dict.fromkeys(map(compose_label, class_names))) or tuple(
        sorted(set(names.values()), key=sort_naturally)
    )
