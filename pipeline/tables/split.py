"""data/split/split.parquet: a row a picture.

`class_index` counts into classes.json; `split` is train | val | test; `fold` is 0..k-1, -1 for test; `group`
names what was held together: near-duplicates, and what `split.group_by` names alike.
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
