"""data/split/split.parquet: one row per picture.

`class_index` counts into classes.json. `split` is train | val | test. `fold` is 0..k-1, or -1 for test.
`group` names what stays together: near-duplicates, and pictures that `split.group_by` gives the same name.
"""

import pyarrow as pa

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
