"""new_sources.parquet, beside a model's test answers: its answers on sources that it had not seen.

A row a picture of train and val that has a source. A network that learned from neither the picture nor its
source answered it with the class `predicted`.
"""

import pyarrow as pa

NEW_SOURCES = pa.schema([("id", pa.string()), ("predicted", pa.string())])
