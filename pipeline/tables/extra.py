"""data/augment/extra and imperfect/manifest.parquet: one row per extra picture.

`kind` says what it is: "altered" or "imperfect" are copies of the picture `id`, and "synthetic" is a made-up
picture of no original, whose `id` names the file of its class. `copy` tells rows of one id apart. `shard` and
`row` count into the shards beside the manifest.
"""

import pyarrow as pa

EXTRA = pa.schema(
    [
        ("id", pa.string()),
        ("copy", pa.int32()),
        ("kind", pa.string()),
        ("class_index", pa.int32()),
        ("shard", pa.int32()),
        ("row", pa.int32()),
    ]
)
