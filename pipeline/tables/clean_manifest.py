"""data/clean/manifest.parquet: one row per picture that was kept.

`shard` and `row` say where its pixels are. `duplicate_group` names its near-duplicates by the smallest id
among them and itself; they stay on one side of a split. `pdq` is the fingerprint of the upright picture.
`pdq_quality` is its quality, 0..100 (0 if a side is under 32 pixels).
"""

import pyarrow as pa

CLEAN_MANIFEST = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("source_split", pa.string()),
        ("duplicate_group", pa.string()),
        ("shard", pa.int32()),
        ("row", pa.int32()),
        ("repairs", pa.list_(pa.string())),
        ("pdq", pa.binary(32)),
        ("pdq_quality", pa.int16()),
    ]
)
