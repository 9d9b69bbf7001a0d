"""data/validate/manifest.parquet: one row per file of the source.

`id` is the sha256 (hex) of its bytes and `n_bytes` their number; both are null if they could not be read.
`key` is its path inside the source. `label` is its class folder ("" if it lies in none). `source_split` is
train | val | test | ""; or learn, of a picture that a person labelled beside the source to learn from. The
facts are those of `images/facts.py`, null without a header. Sizes are in pixels as the header states them,
before EXIF rotation. `verdict` is kept | repaired | quarantined. `reason` and
`detail` say why a file is quarantined ("" otherwise).
"""

import pyarrow as pa

from pipeline.images.facts import FACTS

RAW_MANIFEST = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("source_split", pa.string()),
        ("n_bytes", pa.int64()),
        *(
            (fact.name, pa.type_for_alias(fact.dtype))
            for fact in FACTS
            if fact.dtype and fact.name != "n_bytes"
        ),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("repairs", pa.list_(pa.string())),
    ]
)
