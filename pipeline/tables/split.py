"""data/split/split.parquet: one row per picture.

`class_index` counts into classes.json. `split` is train | val | test. `group` names what stays together:
near-duplicates, and pictures that `split.group_by` gives the same name. `fold_group` names what a fold never
divides: `group`, and pictures that `split.fold_by` gives the same name. `fold` is 0..k-1, or -1 for test.
"""

import pyarrow as pa

NAMED = "group_by:"  # what a group begins with that goes by a name, such as a source

SPLIT = pa.schema(
    [
        ("id", pa.string()),
        ("class_name", pa.string()),
        ("class_index", pa.int32()),
        ("split", pa.string()),
        ("fold", pa.int8()),
        ("group", pa.string()),
        ("fold_group", pa.string()),
    ]
)
