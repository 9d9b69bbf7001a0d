"""data/clean/quarantine.parquet: one row per file that was not kept, and why."""

import pyarrow as pa

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
