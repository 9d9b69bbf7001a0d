"""The layout Parquet: a row a picture, as Hugging Face's data sets have it.

Pictures are encoded bytes, plain or as struct {bytes, path}. Labels are text, or numbers that the schema's
metadata names. Rows are read a few at a time, as few as the size of their row group demands.
"""

import json
import logging
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.characters import cut
from pipeline.errors import SourceError, one_line
from pipeline.params import LabelsParams
from pipeline.refusals import Refusal
from pipeline.sources.columns import (
    MAX_CLASSES,
    check_few,
    find_label_column,
    list_names,
    name_labels,
    read_label,
)
from pipeline.sources.containers import MAX_FILE_BYTES, Entry, check_growth, escape_name
from pipeline.sources.names import is_picture
from pipeline.sources.parts import find_part_of_file, name_parts
from pipeline.sources.records import Listing, Record, Source
from pipeline.sources.urls import Url

_MAX_ROWS = 20_000_000
_BATCH_BYTES, _MAX_BATCH_ROWS, _LABEL_ROWS = 64 << 20, 64, 8192
_MAX_LABEL_BYTES = 4096
_PICTURE_NAMES = ("image", "img", "picture", "photo", "image_bytes", "bytes", "content", "data")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """A Parquet file: its columns, its number of rows, and the names of numbered labels, if it has some."""

    name: str
    path: Path
    picture: str
    label: str
    n_rows: int
    is_struct: bool
    names: Mapping[int, str] = field(default_factory=dict)


def find_parquet(listing: Listing) -> list[Entry]:
    """The Parquet files of a source that holds no pictures as files; [] if there are none.

    Raises:
        SourceError: they lie in an archive.
    """
    entries = [entry for entry in listing.entries if entry.name.lower().endswith(".parquet")]
    if not entries or any(is_picture(entry.name) for entry in listing.entries):
        return []
    if listing.container.is_archive:
        raise SourceError(f"the archive {listing.where} holds Parquet files; unpack it into a folder")
    if isinstance(listing.where, Url):
        raise SourceError(
            f"the source {listing.where} holds Parquet files, which are read from disk only; copy them"
        )
    return sorted(entries, key=listing.name)


def read_parquet(
    listing: Listing, entries: Sequence[Entry], class_names: Sequence[str], section: LabelsParams
) -> Source:
    """The pictures of Parquet files.

    Raises:
        SourceError: a file is damaged or too large, or has no column of pictures or of labels.
    """
    tables = [_describe(listing, entry, section) for entry in entries]
    found: set[str] = set()
    for table in tables:
        found |= _list_labels(table)
        check_few(found, listing)
    n_rows = sum(table.n_rows for table in tables)
    if not n_rows or n_rows > _MAX_ROWS:
        raise SourceError(
            f"the source {listing.where} has {n_rows:,} rows; from 1 to {_MAX_ROWS:,} are allowed"
        )
    named = {name for table in tables for name in table.names.values()}
    names = {label: label for label in found} if named else name_labels(found, class_names, listing)
    parts = name_parts((table.name for table in tables), find_part_of_file)
    _log.info(
        "%s is Parquet: %d files, %d rows, pictures in %r, labels in %r",
        *(listing.where, len(tables), n_rows, tables[0].picture, tables[0].label),
    )

    def stream() -> Iterator[Record]:
        for table in tables:
            for key, picture, label in _read_rows(table):
                refusal = picture if isinstance(picture, Refusal) else None
                data = picture if isinstance(picture, bytes) else b""
                why = f"the column {table.label!r} is empty in its row"
                yield Record(key, names.get(label, ""), parts.get(table.name, ""), data, refusal, why)

    n_ignored = listing.n_ignored + len(listing.entries) - len(entries)
    return Source(
        listing.where, list_names({*names.values(), *named}, class_names), n_rows, n_ignored, (), stream
    )


@contextmanager
def _open(path: Path, labels: Sequence[str] = ()) -> Iterator[Any]:
    """A Parquet file; its text labels are read once each, so that none is held a million times."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20, read_dictionary=[*labels]) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(
            f"{path} cannot be read as Parquet: {one_line(error)}; get a complete copy"
        ) from None


def _describe(listing: Listing, entry: Entry, section: LabelsParams) -> Table:
    path = Path(entry.handle)
    with _open(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
        n_bytes = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        n_rows = metadata.num_rows
    check_growth(n_bytes, path)
    features = _read_features(schema.metadata or {})
    where = f"{listing.name(entry)} in {listing.where}"
    picture = _find_picture(schema, features, section.path_column, where)
    label = section.label_column if section.label_column in schema.names else ""
    classes = [name for name, one in features.items() if one.get("_type") == "ClassLabel"]
    if not section.label_column:
        label = next(filter(schema.names.__contains__, classes), "") or find_label_column(schema.names)
    if not label or not _is_label(schema.field(label).type):
        raise SourceError(
            f"{where} has no column of labels (text or whole numbers) that is known or named, it has "
            f"{', '.join(schema.names[:8])}; set data.labels.label_column"
        )
    names = features.get(label, {}).get("names")
    listed = names if isinstance(names, list) and len(names) <= MAX_CLASSES else []
    known = {i: read_label(name, where) for i, name in enumerate(listed)}
    return Table(
        listing.name(entry), path, picture, label, n_rows, _is_struct(schema.field(picture).type), known
    )


def _read_features(metadata: Mapping[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """Hugging Face's description of the columns; {} if there is none."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {str(name): one for name, one in features.items() if isinstance(one, dict)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _find_picture(schema: Any, features: Mapping[str, dict[str, Any]], wanted: str, where: str) -> str:
    """The column of pictures."""
    held = [one.name for one in schema if _is_struct(one.type) or _is_binary(one.type)]
    chosen = [wanted] if wanted else [name for name in held if features.get(name, {}).get("_type") == "Image"]
    chosen = chosen or [name for name in held if _is_struct(schema.field(name).type)] or held
    if len(chosen) > 1:
        chosen = [name for name in _PICTURE_NAMES if name in chosen][:1] or chosen
    if len(chosen) != 1 or chosen[0] not in held:
        raise SourceError(
            f"{where} has no column of pictures, or several (bytes, or struct {{bytes, path}}): it has "
            f"{', '.join(schema.names[:8])}; set data.labels.path_column"
        )
    return chosen[0]


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_struct(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_struct(kind)) and any(one.name == "bytes" and _is_binary(one.type) for one in kind)


def _is_label(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return any(
        check(kind) for check in (types.is_string, types.is_large_string, types.is_integer, types.is_boolean)
    )


def _list_labels(table: Table) -> set[str]:
    found: set[str] = set()
    n_rows = 0
    with _open(table.path, [table.label]) as file:
        for batch in file.iter_batches(_LABEL_ROWS, columns=[table.label], use_threads=False):
            n_rows += len(batch)
            found |= {*_read_labels(table, batch)}
            if len(found) > MAX_CLASSES:
                break
    if n_rows != table.n_rows and len(found) <= MAX_CLASSES:
        raise SourceError(
            f"{table.path} says {table.n_rows:,} rows and holds {n_rows:,}; get a complete copy"
        )
    return found - {""}


def _read_labels(table: Table, batch: Any) -> list[str]:
    """The labels of a batch, named; "" where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column(table.label)
    where = f"{table.name}, column {table.label!r}"
    if not isinstance(column, pa.DictionaryArray):
        return [_name(table, value, where) for value in column.to_pylist()]
    texts = column.dictionary
    if (
        not pa.types.is_integer(texts.type)
        and (pc.max(pc.binary_length(texts)).as_py() or 0) > _MAX_LABEL_BYTES
    ):
        raise SourceError(
            f"{where} holds texts of over {_MAX_LABEL_BYTES:,} bytes; set data.labels.label_column"
        )
    named = [_name(table, value, where) for value in texts.to_pylist()]
    return ["" if i is None else named[i] for i in column.indices.to_pylist()]


def _name(table: Table, value: object, where: str) -> str:
    if table.names and isinstance(value, int):
        if value in table.names or value == -1:  # -1: Hugging Face's mark for no label
            return table.names.get(value, "")
        raise SourceError(f"{where} holds {value}, and {len(table.names)} names; get a complete copy")
    return read_label(value, where)


def _read_rows(table: Table) -> Iterator[tuple[str, bytes | Refusal, str]]:
    """(key, picture or why it has none, label) of each row."""
    row = 0
    with _open(table.path, [table.label]) as file:
        for group in range(file.num_row_groups):
            wanted = {"row_groups": [group], "columns": [table.picture, table.label], "use_threads": False}
            for batch in file.iter_batches(_choose_batch(file.metadata.row_group(group)), **wanted):
                labels = _read_labels(table, batch)
                for picture, label in zip(batch.column(table.picture), labels, strict=True):
                    yield (*_take_picture(table, row, picture), label)
                    row += 1


def _choose_batch(group: Any) -> int:
    """Rows read at a time. A column chunk holds each value at least once, and a batch may repeat one."""
    n_bytes = max(group.column(i).total_uncompressed_size for i in range(group.num_columns))
    return int(max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES // max(1, n_bytes))))


def _take_picture(table: Table, row: int, scalar: Any) -> tuple[str, bytes | Refusal]:
    """The key of a row, and its picture, or why it has none."""
    value, base = scalar, ""
    if table.is_struct:
        held = scalar.type.names if hasattr(scalar.type, "names") else [one.name for one in scalar.type]
        path = scalar["path"].as_py() if scalar.is_valid and "path" in held else None
        base = posixpath.basename(str(path or "").replace("\\", "/"))
        value = scalar["bytes"] if scalar.is_valid else None
    key = f"{table.name}/{row:06d}" + (f"-{cut(escape_name(base), 200)}" if base else "")
    data = value.as_buffer() if value is not None and value.is_valid else None
    if data is None:
        return key, Refusal("missing", "the row holds no bytes of a picture")
    if data.size > MAX_FILE_BYTES:
        return key, Refusal(
            "unreadable", f"the picture has {data.size:,} bytes, more than {MAX_FILE_BYTES:,}"
        )
    return key, data.to_pybytes()
