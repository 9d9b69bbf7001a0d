"""Tables as Parquet files: built from rows, written, and read back against their schema.

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

from pipeline.errors import DataError, explain_unread
from pipeline.storage import write_whole

_BATCH_ROWS = 1024  # rows that are Python objects at a time
_ROW_GROUP = 1 << 15  # rows that are encoded at a time


def build_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema, *, sort_by: str) -> pa.Table:
    """Rows as a table of `schema`, sorted by one column (by code point, ascending).

    There may be very many rows, so only a few at a time are Python objects, and no table is held twice.
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
        whole = columns.pop().combine_chunks()  # `take` would make it whole too, and hold all three
        in_order.append(whole.take(order))
        del whole
        pa.default_memory_pool().release_unused()
    return pa.Table.from_arrays(in_order, schema=schema)


def count_values(column: pa.ChunkedArray) -> Counter[str]:
    """How often each text of a column occurs."""
    return Counter({str(one["values"]): int(one["counts"]) for one in column.value_counts().to_pylist()})


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file whole, with fixed settings: the same table gives the same bytes."""
    with write_whole(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(None), temporary, compression="zstd", row_group_size=_ROW_GROUP
        )
    pa.default_memory_pool().release_unused()


def read_table(path: Path, schema: pa.Schema, *, may_hold_more: bool = False) -> pa.Table:
    """Read a Parquet file and check it against its schema.

    Args:
        may_hold_more: leave out columns that the schema lacks.

    Raises:
        DataError: the file is missing, is not Parquet, or has other columns.
    """
    try:
        # Not read_table: its dataset machinery takes 50 MB more, and reads a folder a=b as a column.
        with pq.ParquetFile(path) as file:
            table = file.read()
        pa.default_memory_pool().release_unused()  # decoding takes as much again as the table
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro` to make it") from None
    except OSError as error:
        raise DataError(explain_unread(path, error)) from None
    except pa.ArrowException as error:
        raise DataError(f"{path} is not a Parquet file that can be read: {error}") from None
    if may_hold_more and set(schema.names) <= set(table.schema.names):
        table = table.select(schema.names)
    if table.schema.remove_metadata() != schema:
        raise DataError(f"{path} has columns {table.schema.names}, expected {schema.names}; run `dvc repro`")
    return table
