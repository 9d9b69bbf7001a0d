"""data/validate/classes.parquet: one row per class folder of the source, the empty ones too."""

import pyarrow as pa

RAW_CLASSES = pa.schema(
    [
        ("label", pa.string()),
        ("n_files", pa.int64()),
        ("n_readable", pa.int64()),
        ("share_of_largest", pa.float64()),  # n_readable divided by that of the largest class
    ]
)
