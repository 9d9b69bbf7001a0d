"""A project as evaluate leaves it, with three labels that may be wrong."""

import json
from collections.abc import Callable

from pipeline.collection.suspect_labels import Suspect, write_suspects
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import open_source
from pipeline.stages import validate
from pipeline.tables.parquet import write_table

PLANTED = ("line/1.png", "circle/2.png", "square/3.png")  # the likeliest first
CLASS_OF = {"line": "line", "circle": "circle", "square": "square"}


def plant_suspects(
    paths: Paths, params_of: Callable[..., Params], class_of: dict[str, str] = CLASS_OF
) -> None:
    """Write the tables of validate and evaluate for the `project` of the tests.

    Each planted picture seems to be of the next of its classes, in the order of `class_of`.
    """
    limits = {"max_pixels": 10**6, "min_side_px": 4, "min_local_contrast": 0, "max_seconds_per_file": 5.0}
    params = params_of(data={"ignore": [".*"], "class_names": []}, validate={"formats": ["PNG"], **limits})
    source = open_source(paths.raw, params.data)
    manifest = validate.build_manifest(source, params)
    write_table(manifest, paths.raw_manifest)
    write_table(validate.count_classes(manifest, source.labels), paths.raw_classes)
    rows = manifest.to_pylist()
    id_of, names = {row["key"]: row["id"] for row in rows}, list(dict.fromkeys(class_of.values()))
    suspects = []
    for rank, key in enumerate(PLANTED, start=1):
        label = class_of[key.partition("/")[0]]
        other = names[(names.index(label) + 1) % len(names)]
        suspects.append(Suspect(rank, id_of[key], key, label, other, 0.1, 0.9))
    write_suspects(suspects, paths.suspect_labels)
    paths.details("evaluate").write_text(json.dumps({"labels/n_pictures": 30}))
