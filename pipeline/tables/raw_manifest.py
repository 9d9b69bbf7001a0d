"""data/validate/manifest.parquet: a row a file of the source.

`id` is the sha256 (hex) of its bytes, `n_bytes` their number; both null where they could not be read. `key`
is its path inside the source, `label` the class folder ("" where it lies in none), `source_split` train | val
| test | "". The facts are those of `images/facts.py`; sizes are in pixels as the header states them, before
EXIF rotation; null where there is no header. `verdict` is kept | repaired | quarantined, `reason` and
`detail` say why it is quarantined ("" otherwise).
"""

import pyarrow as pa

from pipeline.images.facts import FACTS

RAW_MANIFEST = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("source_split", pa.string()),
        *((fact.name, pa.type_for_alias(fact.dtype)) for fact in FACTS if fact.dtype),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("repairs", pa.list_(pa.string())),
    ]
)
