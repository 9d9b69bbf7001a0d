"""The shortcut audit of a real collection, and what `clean.equalise` leaves of it.

How well file facts alone predict the class, on the same sources and on sources never seen (the part of a file
name before `__`); which facts tell most; and how well what is left in the developed pictures does, without
and with equalise.

Run: python -m benchmarks.audit [--source ../shared/data/toum.zip] [--equalise 75]
"""

import argparse
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.copies import TOUM, developed, params_for
from pipeline.collection.groups import find_group_names
from pipeline.paths import Paths
from pipeline.shortcuts.findings import audit_collection
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tables.split import SPLIT

SOURCE_OF = "([^/]+)__"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--equalise", type=int, default=75)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the audit's own, which say the same
    found = {quality: audit_of(options.source, quality) for quality in (0, options.equalise)}
    files = found[0]["metadata"]
    print(f"{options.source.name}: {files['n_pictures']:,} pictures, chance {files['chance']:.1%}")
    print(f"{'file facts, same sources':<46}{files['accuracy']:>8.1%}")
    print(f"{'file facts, sources never seen':<46}{found[0]['groups_apart']['accuracy']:>8.1%}")
    for quality, values in found.items():
        print(f"{f'developed pictures, clean.equalise {quality}':<46}{values['residual']['accuracy']:>8.1%}")
    print("most telling:")
    for fact in files["facts"][:5]:
        print(f"  {fact['fact']:<20}{fact['accuracy']:>6.1%}  {fact['sentence']}")


def audit_of(source: Path, quality: int) -> dict[str, Any]:
    """The three audits as shortcuts.json holds them; sources that fill no split can be held out here."""
    params = params_for(source.resolve(), clean={"image_hw": [128, 128], "equalise": quality})
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        developed(paths, source.resolve(), params)
        manifest = read_table(paths.raw_manifest, RAW_MANIFEST)
        clean = read_table(paths.clean_manifest, CLEAN_MANIFEST)
        names = json.loads(paths.classes.read_text(encoding="utf-8"))
        placed = read_table(paths.split, SPLIT).to_pandas()
        key_of = dict(zip(clean.column("id").to_pylist(), clean.column("key").to_pylist(), strict=True))
        origin = find_group_names([key_of[image_id] for image_id in placed["id"]], SOURCE_OF)
        found = audit_collection(
            placed.assign(fold_group=origin), names, manifest=manifest, clean=clean, shards=paths.shards
        )
        return found.to_json()


if __name__ == "__main__":
    main()
