"""validate: look at every raw image once, and say whether the collection is fit to go on.

Reads   data.source, every byte once; nothing there is changed
Writes  data/validate/manifest.parquet (a row a file, sorted by key), classes.parquet (a row a class),
        expectations.json (the results), docs/ (Data Docs: open index.html), figures/ (sizes, measures)
Run     python -m pipeline.stages.validate
Cost    one cheap decode a file in DARKROOM_WORKERS processes; memory does not grow with their number
        (about 0.5 kB a file for the manifest); plus about 8 s for Great Expectations and 2 s for figures

A file marked `kept` or `repaired` here goes on, unless clean finds that it is a copy of another.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import images
from pipeline.collection.overview import draw_images
from pipeline.expectations import check_intake, intake_page, write_docs
from pipeline.params import Params, ValidateParams
from pipeline.paths import Paths
from pipeline.progress import track
from pipeline.runner import Metrics, run_stage
from pipeline.sources import Record, Source, open_source
from pipeline.tables.parquet import CLASSES, MANIFEST, counted, from_rows, write_table
from pipeline.tracking.runs import Run
from pipeline.workers import ordered_map

_N_REASONS_SAID = 3
_FACTS = tuple(field.name for field in fields(images.Facts))  # asdict would copy each value, at 0.1 ms a file


def manifest_of(
    source: Source,
    *,
    formats: Sequence[str],
    max_pixels: int,
    min_side_px: int,
    min_local_contrast: float,
    max_seconds: float,
) -> pa.Table:
    """A row a record of the source, of schema tables.MANIFEST, sorted by key.

    Args:
        formats: Pillow's names of the decoders to be used; those that the source declares are added.
        max_seconds: of computing time for a file; one that takes longer, or crashes, is unreadable.

    Raises:
        SourceError: the source as a whole is damaged.
    """
    look = partial(
        images.look,
        formats=_formats(formats, source),
        max_pixels=max_pixels,
        min_side_px=min_side_px,
        min_local_contrast=min_local_contrast,
    )
    files = ((replace(record, data=b""), (record.data, record.key)) for record in source.records())
    looked_at = ordered_map(
        look, files, n_bytes=lambda file: len(file[0]), max_seconds=max_seconds, lost=images.unseen
    )
    rows = (_row(record, facts) for record, facts in track(looked_at, total=len(source), what="validate"))
    return from_rows(rows, MANIFEST, sort_by="key")


def class_table(manifest: pa.Table, labels: Sequence[str]) -> pa.Table:
    """Files and readable files of every label, of schema tables.CLASSES, in the order of `labels`."""
    n_files = counted(manifest.column("label"))
    readable = manifest.filter(pc.not_equal(manifest.column("verdict"), "quarantined"))
    n_readable = counted(readable.column("label"))
    largest = max((n_readable[label] for label in labels), default=0)
    rows = [
        {
            "label": label,
            "n_files": n_files[label],
            "n_readable": n_readable[label],
            "share_of_largest": n_readable[label] / largest if largest else 0.0,
        }
        for label in labels
    ]
    return pa.Table.from_pylist(rows, schema=CLASSES)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    section: ValidateParams = params.validate_
    images.check_formats(section.formats)
    source = open_source(
        paths.source(params.data.source),
        ignore=params.data.ignore,
        class_names=params.data.class_names,
        csv_label_column=params.data.csv.label_column,
        csv_image_hw=params.data.csv.image_hw,
    )
    manifest = manifest_of(
        source,
        formats=section.formats,
        max_pixels=section.max_pixels,
        min_side_px=section.min_side_px,
        min_local_contrast=section.min_local_contrast,
        max_seconds=section.max_seconds_per_file,
    )
    classes = class_table(manifest, source.labels)
    write_table(manifest, paths.raw_manifest)
    write_table(classes, paths.raw_classes)
    run.log_dataset("raw", paths.raw_manifest, context="validate")
    pictures = draw_images(manifest, source.labels, paths.figures("validate"))
    run.log_artifact(paths.figures("validate"), "figures")
    report = check_intake(manifest, classes, section=section, formats=_formats(section.formats, source))
    report.write(paths.expectations)
    write_docs(report, intake_page(manifest, classes, pictures), paths.data_docs)
    run.log_artifact(paths.expectations)
    run.log_artifact(paths.data_docs, "docs")
    page = (paths.data_docs / "index.html").relative_to(paths.root)
    report.enforce(docs=page, because=_because(manifest))
    return _metrics(manifest, classes, source)


def _formats(formats: Sequence[str], source: Source) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*formats, *source.declared_formats)))


def _row(record: Record, facts: images.Facts) -> dict[str, Any]:
    """A manifest row; what could not be read at all has no id."""
    row = {name: getattr(facts, name) for name in _FACTS} | {
        "key": record.key,
        "label": record.label,
        "source_split": record.source_split,
    }
    if record.problem:
        row |= {"id": None, "n_bytes": None, "reason": record.problem, "detail": record.detail}
    elif not facts.reason and not record.label:
        row |= {"reason": "no_label", "detail": "the file lies in no class folder"}
    if row["reason"]:
        return row | {"verdict": "quarantined", "repairs": []}
    return row | {"verdict": "repaired" if facts.repairs else "kept"}


def _because(manifest: pa.Table) -> str:
    """The commonest reasons why files cannot be used, as the end of an error."""
    reasons = counted(manifest.column("reason"))
    del reasons[""]
    said = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(_N_REASONS_SAID))
    return f"; files that cannot be used: {said}" if said else ""


def _metrics(manifest: pa.Table, classes: pa.Table, source: Source) -> Metrics:
    verdicts = counted(manifest.column("verdict"))
    reasons = counted(manifest.column("reason"))
    n_readable = classes.column("n_readable").to_pylist()
    return {
        "n_files": len(manifest),
        "n_ignored": source.n_ignored,
        "n_kept": verdicts["kept"],
        "n_repaired": verdicts["repaired"],
        "n_quarantined": verdicts["quarantined"],
        "share_unreadable": (verdicts["quarantined"] - reasons["low_information"]) / len(manifest),
        "n_classes": len(classes),
        "min_class_readable": min(n_readable),
        "max_class_readable": max(n_readable),
    } | {f"reason/{reason}": reasons[reason] for reason in images.REASONS}


if __name__ == "__main__":
    run_stage("validate", main)
