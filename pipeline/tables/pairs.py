"""data/clean/pairs.parquet: one row per link between near-duplicates, sorted by ids.

The closest links are kept, as many as hold each group together. `id_b` looks like `id_a` after `orientation`
(one of `fingerprint.VIEWS`). `distance` is in bits of 256.
"""

import pyarrow as pa

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
