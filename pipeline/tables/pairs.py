"""data/clean/pairs.parquet: a row a link between near-duplicates, the closest first.

There are enough links to hold each group together. `id_b` looks like `id_a` after `orientation` (one of
`fingerprint.VIEWS`); `distance` is in bits of 256.
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
