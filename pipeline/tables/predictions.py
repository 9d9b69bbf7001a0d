"""data/evaluate/predictions.parquet: a row a test picture.

`y_prob` holds a probability a class, in the order of classes.json.
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
