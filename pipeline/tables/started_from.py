"""data/train/started_from.parquet: the pictures of the model that training started from, and that model.

It is empty where training started from nothing.
"""

import pyarrow as pa

from pipeline.tables import learnt

STARTED_FROM = pa.schema([*learnt.LEARNT, ("model", pa.string())])
