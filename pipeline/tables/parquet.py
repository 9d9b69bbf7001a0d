"""The tables that stages hand on: their columns as pyarrow schemas, and Parquet reading and writing.

A table is written sorted and with fixed settings, so that the same rows give the same bytes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.paths import written_whole

_BATCH_ROWS = 1024  # rows held as Python objects before they become a piece of a table
_ROW_GROUP = 1 << 15  # rows that are encoded at a time

# A row a file in the source. `id` is the sha256 (hex) of its bytes (with `n_bytes` null where they could not
# be read), `key` its path inside the source,
# `label` the class folder ("" where it lies in none), `source_split` train | val | test | "".
# `verdict` is kept | repaired | quarantined, `reason` why it is quarantined ("" otherwise).
# Sizes in pixels as the header states them, before EXIF rotation; null where there is no header.
MANIFEST = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("source_split", pa.string()),
        ("n_bytes", pa.int64()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("mode", pa.string()),
        ("exif_orientation", pa.int8()),
        ("n_frames", pa.int32()),
        ("brightness", pa.float32()),  # mean luma / 255
        ("contrast", pa.float32()),  # standard deviation of luma / 255
        ("n_bands", pa.int8()),  # from here to dpi: images/header.py
        ("jpeg_quality", pa.int16()),  # estimated; null for other formats
        ("subsampling", pa.string()),  # of chroma, such as 4:2:0; null where there is none
        ("has_exif", pa.bool_()),
        ("dpi", pa.float32()),  # null where the header states none
        ("sharpness", pa.float32()),  # from here on: images/measures.py
        ("entropy", pa.float32()),
        ("colourfulness", pa.float32()),
        ("share_white", pa.float32()),
        ("border_brightness", pa.float32()),
        ("border_tint", pa.float32()),
        ("border_spread", pa.float32()),
        ("local_contrast", pa.float32()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("repairs", pa.list_(pa.string())),
    ]
)

# A row a class folder of the source, the empty ones too.
CLASSES = pa.schema(
    [
        ("label", pa.string()),
        ("n_files", pa.int64()),
        ("n_readable", pa.int64()),
        ("share_of_largest", pa.float64()),  # n_readable against the largest class's
    ]
)

# A row a picture that goes on; `shard` and `row` say where its pixels are, `group` which pictures
# must stay on one side of a split (the smallest id of its near-duplicates and itself), `pdq` the
# fingerprint of the upright picture with its quality 0..100 (0 where a side is under 32 pixels).
CLEAN = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("source_split", pa.string()),
        ("group", pa.string()),
        ("shard", pa.int32()),
        ("row", pa.int32()),
        ("repairs", pa.list_(pa.string())),
        ("pdq", pa.binary(32)),
        ("pdq_quality", pa.int16()),
    ]
)

# A row a link between near-duplicates, enough to hold each group together, the closest first: `id_b` looks
# like `id_a` after `orientation` (one of images.VIEWS); `distance` is in bits of 256.
PAIRS = pa.schema(
    [
        ("id_a", pa.string()),
        ("id_b", pa.string()),
        ("key_a", pa.string()),
        ("key_b", pa.string()),
        ("distance", pa.int16()),
        ("orientation", pa.string()),
    ]
)

# A row a file that does not go on, and why.
QUARANTINE = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("source_split", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

# A row a picture: `class_index` into classes.json, `split` train | val | test, `fold` 0..k-1 (-1 for test),
# `group` what was held together: near-duplicates, and what `split.group_by` names alike.
SPLIT = pa.schema(
    [
        ("id", pa.string()),
        ("class_name", pa.string()),
        ("class_index", pa.int32()),
        ("split", pa.string()),
        ("fold", pa.int8()),
        ("group", pa.string()),
    ]
)

# A row an extra training picture made from picture `id`; `shard` and `row` are into the extra shards.
EXTRA = pa.schema(
    [
        ("id", pa.string()),
        ("copy", pa.int32()),
        ("class_index", pa.int32()),
        ("shard", pa.int32()),
        ("row", pa.int32()),
    ]
)

# A row a test picture; `y_prob` holds a probability a class, in the order of classes.json.
PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("y_true", pa.int32()),
        ("y_pred", pa.int32()),
        ("y_prob", pa.list_(pa.float32())),
    ]
)


def from_rows(rows: Iterable[Mapping[str, Any]], schema: pa.Schema, *, sort_by: str) -> pa.Table:
    """Rows as a table of `schema`, sorted by one column (by code point, ascending).

    Few rows at a time are Python objects, and no table is held twice: there may be very many.
    """
    waiting = iter(rows)
    batches = []
    while batch := list(islice(waiting, _BATCH_ROWS)):
        batches.append(pa.RecordBatch.from_pylist(batch, schema=schema))
    columns = pa.Table.from_batches(batches, schema=schema).columns[::-1]
    order = pc.sort_indices(columns[len(schema) - 1 - schema.get_field_index(sort_by)])
    batches.clear()
    in_order = []
    while columns:
        in_order.append(columns.pop().take(order).combine_chunks())
    pa.default_memory_pool().release_unused()
    return pa.Table.from_arrays(in_order, schema=schema)


def counted(column: pa.ChunkedArray) -> Counter[str]:
    """How often each text of a column comes."""
    return Counter({str(one["values"]): int(one["counts"]) for one in column.value_counts().to_pylist()})


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file whole, with fixed settings: the same table gives the same bytes."""
    with written_whole(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(None), temporary, compression="zstd", row_group_size=_ROW_GROUP
        )
    pa.default_memory_pool().release_unused()


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a Parquet file and hold it to its schema.

    Raises:
        DataError: the file is missing, is not Parquet, or has other columns.
    """
    try:
        # Not read_table: its dataset machinery takes 50 MB more, and reads a folder a=b as a column.
        with pq.ParquetFile(path) as file:
            table = file.read()
        pa.default_memory_pool().release_unused()  # what decoding took: as much again as the table
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro` to make it") from None
    except pa.ArrowException as error:
        raise DataError(f"{path} is not a Parquet file that can be read: {error}") from None
    if table.schema.remove_metadata() != schema:
        raise DataError(f"{path} has columns {table.schema.names}, expected {schema.names}; run `dvc repro`")
    return table
