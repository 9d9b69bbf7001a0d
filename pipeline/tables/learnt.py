"""learnt.parquet, beside a model's test answers: the pictures of train and val, from which it learned.

`part` is train, or val: those that chose the weights. `pdq` and `pdq_quality` are as in the clean manifest:
they know a picture again when its file has changed.
"""

import pyarrow as pa

LEARNT = pa.schema(
    [("id", pa.string()), ("part", pa.string()), ("pdq", pa.binary(32)), ("pdq_quality", pa.int16())]
)
