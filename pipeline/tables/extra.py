"""data/augment/extra and imperfect/manifest.parquet: one row per altered copy of picture `id`.

`shard` and `row` count into the shards beside the manifest.
"""

import pyarrow as pa

EXTRA = pa.schema(
    [
        ("id", pa.string()),
        ("copy", pa.int32()),
        ("class_index", pa.int32()),
        ("shard", pa.int32()),
        ("row", pa.int32()),
    ]
)
