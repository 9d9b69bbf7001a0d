"""The layout IDX: pairs of files of unsigned bytes, as MNIST has them (http://yann.lecun.com/exdb/mnist)."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.sources.containers import MAX_FILE_BYTES, Entry
from pipeline.sources.pixels import (
    build_source,
    encode_pgm,
    find_role,
    has_split,
    list_labels,
    name_numbers,
    open_entry,
)
from pipeline.sources.records import Listing, Record, Source

_IMAGES = re.compile(r"(?P<name>.*?)[-._]?images[-.]idx3-ubyte(\.gz)?")
_LABELS = re.compile(r"(?P<name>.*?)[-._]?labels[-.]idx1-ubyte(\.gz)?")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Pair:
    """An IDX file of images and that of their labels; `role` is train | val | test | "" by their names."""

    role: str
    name: str
    images: Entry
    labels: Entry


def find_idx_pairs(listing: Listing) -> list[Pair]:
    """The IDX pairs in a listing, at any depth; [] if there are none.

    Raises:
        SourceError: a file lacks its partner, or two pairs have the same role.
    """
    images, labels = _index_by_name(listing, _IMAGES), _index_by_name(listing, _LABELS)
    if lone := sorted(images.keys() ^ labels.keys()):
        found = (images | labels)[lone[0]]
        raise SourceError(
            f"the source {listing.where} has {listing.name(found)} without its partner; an IDX pair is "
            "*-images-idx3-ubyte[.gz] with *-labels-idx1-ubyte[.gz]; add it"
        )
    pairs = [Pair(find_role(name), name, images[name], labels[name]) for name in sorted(images)]
    if len({pair.role for pair in pairs}) < len(pairs):
        names = ", ".join(listing.name(pair.images) for pair in pairs)
        raise SourceError(
            f"the source {listing.where} has more than one IDX pair for the same part: {names}; "
            "leave one out with data.ignore"
        )
    return pairs


def read_idx(listing: Listing, pairs: Sequence[Pair], class_names: Sequence[str]) -> Source:
    """The pictures of IDX pairs.

    Raises:
        SourceError: a wrong magic number or length, counts that differ, or too few class names.
    """
    shapes = {pair.role: _read_shapes(listing, pair) for pair in pairs}
    labels = {pair.role: _read_labels(listing, pair.labels) for pair in pairs}
    names = name_numbers(
        {int(x) for values in labels.values() for x in np.unique(values)}, class_names, listing
    )
    splits = has_split([pair.role for pair in pairs])

    def stream() -> Iterator[Record]:
        for pair in pairs:
            folder, split = pair.role or pair.name or "images", pair.role if splits else ""
            pictures = _read_pictures(listing, pair.images, shapes[pair.role])
            for i, (number, data) in enumerate(zip(labels[pair.role], pictures, strict=True)):
                yield Record(f"{folder}/{i:05d}", names[int(number)], split, data)

    used = {entry for pair in pairs for entry in (pair.images, pair.labels)}
    n_records = sum(map(len, labels.values()))
    return build_source(
        listing, stream, used=used, labels=list_labels(names, class_names), n_records=n_records
    )


def _index_by_name(listing: Listing, pattern: re.Pattern[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in listing.entries:
        folder, _, name = listing.name(entry).rpartition("/")
        if match := pattern.fullmatch(name):
            key = f"{folder}/{match['name']}".removeprefix("/")
            if key in found:
                raise SourceError(
                    f"the source {listing.where} has both {listing.name(found[key])} and "
                    f"{listing.name(entry)}; leave one out with data.ignore"
                )
            found[key] = entry
    return found


def _read_shapes(listing: Listing, pair: Pair) -> tuple[int, ...]:
    """The shape of a pair's images, which as many labels go with; nothing is held in memory."""
    (n_labels,) = _read_shape(listing, pair.labels, 1)
    if not n_labels:
        raise SourceError(
            f"{listing.name(pair.labels)} in {listing.where} has no labels; get a complete copy"
        )
    shape = _read_shape(listing, pair.images, 3)
    if shape[0] != n_labels:
        raise SourceError(
            f"{listing.name(pair.images)} in {listing.where} has {shape[0]:,} images and "
            f"{listing.name(pair.labels)} {n_labels:,} labels; their numbers must be equal"
        )
    if not 0 < shape[1] * shape[2] <= MAX_FILE_BYTES:
        raise SourceError(
            f"{listing.name(pair.images)} in {listing.where} has images of {shape[1]:,} x {shape[2]:,} "
            f"pixels; from 1 to {MAX_FILE_BYTES:,} pixels are allowed; get the right file"
        )
    return shape


def _read_shape(listing: Listing, entry: Entry, n_dims: int) -> tuple[int, ...]:
    """The shape in an IDX header of unsigned bytes, checked against the length of the whole file."""
    with open_entry(listing, entry) as stream:
        shape = _read_header(listing, entry, stream, n_dims)
        n_bytes = 0
        while n_bytes <= math.prod(shape) and (chunk := stream.read(_CHUNK_BYTES)):
            n_bytes += len(chunk)
    if n_bytes != math.prod(shape):
        more = " or more" if n_bytes > math.prod(shape) else ""
        raise SourceError(
            f"{listing.name(entry)} in {listing.where} says {' x '.join(map(str, shape))} = "
            f"{math.prod(shape):,} bytes but holds {n_bytes:,}{more}; get a complete copy"
        )
    return shape


def _read_header(listing: Listing, entry: Entry, stream: IO[bytes], n_dims: int) -> tuple[int, ...]:
    head = stream.read(4 + 4 * n_dims)
    magic = bytes([0, 0, 8, n_dims])
    if head[:4] != magic or len(head) < 4 + 4 * n_dims:
        raise SourceError(
            f"{listing.name(entry)} in {listing.where} starts with {head[:4].hex() or 'nothing'}, an IDX "
            f"file of {n_dims}-dimensional bytes with {magic.hex()}; get the right file"
        )
    return tuple(int.from_bytes(head[i : i + 4], "big") for i in range(4, len(head), 4))


def _read_labels(listing: Listing, entry: Entry) -> NDArray[np.uint8]:
    with open_entry(listing, entry) as stream:
        return np.frombuffer(stream.read()[8:], dtype=np.uint8)


def _read_pictures(listing: Listing, entry: Entry, shape: tuple[int, ...]) -> Iterator[bytes]:
    n, height, width = shape
    with open_entry(listing, entry) as stream:
        stream.read(16)
        for _ in range(n):
            yield encode_pgm(stream.read(height * width), (height, width))
