"""data/evaluate/predictions.parquet: one row per test picture.

`y_prob` holds one probability per class, in the order of classes.json. `key` is the picture's path in the
source, `class_name` its own class, `predicted` the class that was answered, `probability` that of the answer.
"""

import pyarrow as pa

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("class_name", pa.string()),
        ("predicted", pa.string()),
        ("probability", pa.float32()),
        ("y_true", pa.int32()),
        ("y_pred", pa.int32()),
        ("y_prob", pa.list_(pa.float32())),
    ]
)
