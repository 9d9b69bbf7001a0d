"""data/search/out_of_fold.parquet: one row per picture and seed, answered by a network that has not seen it.

`fold` is the fold that tested the picture. `y_prob` holds one probability per class, in the order of
classes.json. `key` is the picture's path in the source.
"""

import pyarrow as pa

OUT_OF_FOLD = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("class_name", pa.string()),
        ("predicted", pa.string()),
        ("probability", pa.float32()),
        ("seed", pa.int64()),
        ("fold", pa.int32()),
        ("y_true", pa.int32()),
        ("y_prob", pa.list_(pa.float32())),
    ]
)
