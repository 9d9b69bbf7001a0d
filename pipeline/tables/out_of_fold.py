"""data/train/out_of_fold.parquet: one row per picture of train and val.

A network that has not seen the picture answered it. The table is empty where train did not ask for it
(train.out_of_fold). data/search/out_of_fold.parquet, of `darkroom crossval`, has a row per picture and seed.

It has the columns of PREDICTIONS. `fold` is the fold that tested the picture, `seed` that of the training.
"""

import pyarrow as pa

from pipeline.tables import predictions

_OWN = (pa.field("seed", pa.int64()), pa.field("fold", pa.int32()))
OUT_OF_FOLD = pa.schema([*predictions.PREDICTIONS, *_OWN])
