"""The layout CSV: a header, a label column, one column per pixel, row by row (as Kaggle's Fashion-MNIST)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.errors import SourceError, one_line
from pipeline.sources.containers import Entry
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

_BLOCK_BYTES = 8 << 20  # read at a time; a row must fit
_MAX_CLASSES = 10_000  # a column of so many labels numbers the rows


def find_csv_tables(listing: Listing) -> dict[str, Entry]:
    """CSV files by their part (train | val | test, or "" for a single file); none if there are folders.

    Raises:
        SourceError: several CSV files whose names do not say which is for training and which for test.
    """
    if listing.folders or any("/" in listing.name(entry) for entry in listing.entries):
        return {}
    files = [entry for entry in listing.entries if entry.name.lower().endswith((".csv", ".csv.gz"))]
    if len(files) <= 1:
        return {"": files[0]} if files else {}
    tables = {find_role(listing.name(file), anywhere=True): file for file in files}
    if len(tables) < len(files) or "" in tables or not has_split(list(tables)):
        raise SourceError(
            f"the source {listing.where} has the CSV files {', '.join(sorted(map(listing.name, files)))}; "
            "allowed: one, or one with train and one with test in its name; leave others out with data.ignore"
        )
    return tables


def read_csv(
    listing: Listing,
    tables: dict[str, Entry],
    class_names: Sequence[str],
    label_column: str,
    image_hw: tuple[int, int],
) -> Source:
    """The pictures of CSV tables: a header, a label column, and one column per pixel, row by row.

    Raises:
        SourceError: no label column, a wrong number of columns, no rows, a label that is no whole number, or
            too few class names. A pixel that is not 0..255 is found while streaming.
    """
    columns = {part: _read_columns(listing, file, label_column, image_hw) for part, file in tables.items()}
    numbers: set[int] = set()
    n_rows = 0
    for file in tables.values():
        for batch in _read_batches(listing, file, {label_column: "int64"}):
            n_rows += len(batch)
            numbers |= set(batch.column(label_column).unique().to_pylist())
            if len(numbers) > _MAX_CLASSES:
                raise SourceError(
                    f"the CSV at {listing.where} has more than {_MAX_CLASSES:,} different labels in the "
                    f"column {label_column!r}; name the column of classes with data.csv.label_column"
                )
    if not n_rows:
        raise SourceError(f"the CSV at {listing.where} has a header and no rows; give it one row a picture")
    names = name_numbers(numbers, class_names, listing)

    def stream() -> Iterator[Record]:
        for part, file in tables.items():
            rows = _read_rows(listing, file, columns[part], label_column)
            for i, (number, pixels) in enumerate(rows):
                yield Record(f"{part or 'rows'}/{i:05d}", names[number], part, encode_pgm(pixels, image_hw))

    used, labels = set(tables.values()), list_labels(names, class_names)
    return build_source(listing, stream, used=used, labels=labels, n_records=n_rows)


def _read_columns(
    listing: Listing, file: Entry, label_column: str, image_hw: tuple[int, int]
) -> tuple[str, ...]:
    """The names of a CSV's columns, checked against what a table of pixels has."""
    with open_entry(listing, file) as stream:
        line = stream.readline(_BLOCK_BYTES).decode("utf-8-sig", "replace")
    n_columns, (height, width) = line.count(",") + 1, image_hw
    # A line of 8 MiB has up to 8 million names: they are told apart only where their number is right.
    columns = line.strip().replace('"', "").split(",", height * width + 1)
    if label_column not in columns:
        raise SourceError(
            f"{listing.name(file)} in {listing.where} has no column {label_column!r}, it has "
            f"{', '.join(columns[:3])[:80] or 'nothing'}, ...; set data.csv.label_column, or leave the "
            "file out with data.ignore"
        )
    if n_columns != height * width + 1:
        raise SourceError(
            f"{listing.name(file)} in {listing.where} has {n_columns:,} columns, a label and "
            f"{height} x {width} pixels make {height * width + 1}; set data.csv.image_hw"
        )
    return tuple(columns)


def _read_batches(listing: Listing, file: Entry, types: dict[str, str]) -> Iterator[Any]:
    """The named columns, block by block; every value must be of its type."""
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    convert = pa_csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[])
    read = pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
    with open_entry(listing, file) as stream:
        try:
            batches = pa_csv.open_csv(stream, read_options=read, convert_options=convert)
            yield from (batch for batch in batches if len(batch))  # a block of blank lines has no columns
        except pa.ArrowInvalid as error:
            raise SourceError(
                f"{listing.name(file)} in {listing.where}: {one_line(error)}; allowed: "
                "whole numbers, pixels from 0 to 255, as many columns in each row as in the header"
            ) from None


def _read_rows(
    listing: Listing, file: Entry, columns: tuple[str, ...], label_column: str
) -> Iterator[tuple[int, bytes]]:
    types = {column: "int64" if column == label_column else "uint8" for column in columns}
    pixels = [i for i, column in enumerate(columns) if column != label_column]
    for batch in _read_batches(listing, file, types):
        labels = batch.column(label_column).to_pylist()
        rows = np.stack([batch.column(i).to_numpy(zero_copy_only=False) for i in pixels], axis=1)
        yield from ((label, row.tobytes()) for label, row in zip(labels, rows, strict=True))
