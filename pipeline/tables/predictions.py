"""data/evaluate/predictions.parquet: one row per test picture.

`y_prob` holds one probability per class, in the order of classes.json.
"""

import pyarrow as pa

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("y_true", pa.int32()),
        ("y_pred", pa.int32()),
        ("y_prob", pa.list_(pa.float32())),
    ]
)
