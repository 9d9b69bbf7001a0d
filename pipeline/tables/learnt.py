"""The pictures that a model learned from: learnt.parquet beside its test answers, and those of a start.

`part` is train, or val: those that chose the weights. `pdq` and `pdq_quality` are as in the clean manifest:
they know a picture again when its file has changed. data/train/started_from.parquet names the pictures of the
model that training started from, and that model; it is empty where training started from nothing.
"""

import pyarrow as pa

LEARNT = pa.schema(
    [("id", pa.string()), ("part", pa.string()), ("pdq", pa.binary(32)), ("pdq_quality", pa.int16())]
)
STARTED_FROM = pa.schema([*LEARNT, ("model", pa.string())])
