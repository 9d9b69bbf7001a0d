"""data/train/started_from.parquet: the pictures of the model that training started from, and that model.

It is empty where training started from nothing.
"""

import pyarrow as pa

from pipeline.tables.learnt import LEARNT

STARTED_FROM = pa.schema([*LEARNT, ("model", pa.string())])
