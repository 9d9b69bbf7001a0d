"""The pictures that a model learned from: learnt.parquet beside its test answers, and those of a start.

`part` is train, or val: those that chose the weights. data/train/started_from.parquet names the pictures of
the model that training started from, and that model; it is empty where training started from nothing.
"""

import pyarrow as pa

LEARNT = pa.schema([("id", pa.string()), ("part", pa.string())])
STARTED_FROM = pa.schema([*LEARNT, ("model", pa.string())])
