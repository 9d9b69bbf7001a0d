"""validate: look at every raw image once, and say whether the collection is fit for what follows.

Reads   data.source and the labelled pictures of data.labelled, every byte once; nothing there is changed;
        what earlier runs learned of files, in .darkroom/, which then are not read
Writes  data/validate/manifest.parquet (one row per file, sorted by key), classes.parquet (one row per class),
        expectations.json (the results), docs/ (Data Docs: open index.html), figures/ (sizes, measures)
        and into .darkroom/ what it learned of files, with the pictures that clean will want of them
Run     python -m pipeline.stages.validate
Cost    one cheap decode per file in DARKROOM_WORKERS processes; memory does not grow with their number
        (about 0.5 kB per file for the manifest); plus about 8 s for Great Expectations and 2 s for figures

A file marked `kept` or `repaired` here reaches clean, which drops exact copies.
"""

import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collection.known_files import KnownFiles, Task, count_per_answer, map_files
from pipeline.collection.known_looks import KnownLooks
from pipeline.collection.overview import draw_images
from pipeline.expectations.intake import check_intake, describe_intake
from pipeline.expectations.page import write_docs
from pipeline.images.facts import FACTS
from pipeline.images.first_look import give_up, look_item
from pipeline.images.inspection import Inspection
from pipeline.images.reading import check_formats
from pipeline.images.recipe import Recipe
from pipeline.labels import find_look_alikes, spell_label
from pipeline.params import Params, ValidateParams
from pipeline.paths import Paths
from pipeline.progress import track
from pipeline.refusals import REASONS, Refusal
from pipeline.runner import Metrics, run_stage
from pipeline.sources import Record, Source, open_collection
from pipeline.tables.parquet import build_table, count_values, write_table
from pipeline.tables.raw_classes import RAW_CLASSES
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tracking.runs import Run
from pipeline.workers import warn_if_killed

_log = logging.getLogger(__name__)

_N_REASONS_SAID = 3
_NO_FACTS = dict.fromkeys(fact.name for fact in FACTS if fact.dtype)


def build_manifest(source: Source, params: Params, results: Path | None = None) -> pa.Table:
    """One row per record of the source, of schema RAW_MANIFEST, sorted by key.

    A file is unreadable if it takes longer than `max_seconds_per_file` of CPU time, or crashes its decoder.
    `results` is the folder of what earlier runs learned of files. The pictures that clean will want are left
    there too, where the same decode gives them.

    Raises:
        SourceError: the source as a whole is damaged.
    """
    section = params.validate_
    formats = _list_formats(section.formats, source)
    recipe = Recipe.from_params(params.clean, formats=formats, max_pixels=section.max_pixels)
    settings: dict[str, Any] = {
        "formats": formats,
        "max_pixels": section.max_pixels,
        "min_side_px": section.min_side_px,
        "min_local_contrast": section.min_local_contrast,
    }
    with KnownFiles(results) as known:
        book = KnownLooks(known, settings, recipe)
        task = Task(
            partial(look_item, recipe=recipe, **settings),
            lambda record: (record.data, record.key, book.wants_pictures),
            (b"", "", False),
            chunk_items=count_per_answer(math.prod(recipe.picture_shape)),
            max_seconds=section.max_seconds_per_file,
            lost=give_up,
        )
        looks = map_files(source, task, book, known)
        tracked = track(looks, total=len(source), what="validate")
        rows = (_build_row(record, one.inspection) for record, one in tracked)
        return build_table(rows, RAW_MANIFEST, sort_by="key")


def count_classes(manifest: pa.Table, labels: Sequence[str]) -> pa.Table:
    """Files and readable files of every label, of schema RAW_CLASSES, in the order of `labels`."""
    n_files = count_values(manifest.column("label"))
    is_readable = pc.not_equal(manifest.column("verdict"), "quarantined")
    n_readable = count_values(manifest.column("label").filter(is_readable))
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
    return pa.Table.from_pylist(rows, schema=RAW_CLASSES)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Inspect the source, write what was found, and stop if the collection is not fit."""
    section: ValidateParams = params.validate_
    check_formats(section.formats)
    source = open_collection(paths.root, params.data)
    for note in source.notes:
        _log.warning("%s", note)
    _warn_of_look_alikes(source.labels)
    manifest = build_manifest(source, params, paths.cache / "results")
    source = source.drop_files()
    unread = manifest.filter(pc.equal(manifest.column("reason"), "unreadable")).select(["key", "detail"])
    warn_if_killed(zip(*unread.to_pydict().values(), strict=True), "validate")
    classes = count_classes(manifest, source.labels)
    write_table(manifest, paths.raw_manifest)
    write_table(classes, paths.raw_classes)
    run.log_dataset("raw", paths.raw_manifest, context="validate")
    pictures = draw_images(manifest, source.labels, paths.figures("validate"))
    run.log_artifact(paths.figures("validate"), "figures")
    formats = _list_formats(section.formats, source)
    report = check_intake(manifest, classes, section=section, formats=formats)
    report.write(paths.expectations)
    write_docs(report, describe_intake(manifest, classes, pictures, paths), paths.data_docs)
    run.log_artifact(paths.expectations)
    run.log_artifact(paths.data_docs, "docs")
    page = (paths.data_docs / "index.html").relative_to(paths.root)
    report.enforce(docs=page, because=_explain_refusals(manifest))
    return _measure(manifest, classes, source)


def _warn_of_look_alikes(labels: Sequence[str]) -> None:
    for alike in find_look_alikes(labels):
        _log.warning(
            "the classes %s look alike and are different classes; if they are one, join them in data.classes "
            "or rename a folder",
            " and ".join(map(spell_label, alike)),
        )


def _list_formats(formats: Sequence[str], source: Source) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*formats, *source.declared_formats)))


def _build_row(record: Record, found: Inspection) -> dict[str, Any]:
    """One row of the manifest; a file that could not be read at all has no id."""
    row = _NO_FACTS | {"id": found.id, **found.facts, "repairs": found.repairs}
    row |= {"key": record.key, "label": record.label, "source_split": record.source_split}
    refusal = record.refusal or found.refusal
    if record.refusal:
        row |= {"id": None, "n_bytes": None}
    elif refusal is None and not record.label:
        refusal = Refusal("no_label", record.unlabelled)
    if refusal is None:
        verdict = "repaired" if found.repairs else "kept"
        return row | {"verdict": verdict, "reason": "", "detail": ""}
    return row | {"verdict": "quarantined", "repairs": [], **refusal._asdict()}


def _explain_refusals(manifest: pa.Table) -> str:
    """The most common reasons why files cannot be used, as the end of an error."""
    reasons = count_values(manifest.column("reason"))
    del reasons[""]
    said = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(_N_REASONS_SAID))
    return f"; files that cannot be used: {said}" if said else ""


def _measure(manifest: pa.Table, classes: pa.Table, source: Source) -> Metrics:
    verdicts = count_values(manifest.column("verdict"))
    reasons = count_values(manifest.column("reason"))
    n_readable = classes.column("n_readable").to_pylist()
    return {
        "n_files": len(manifest),
        "n_ignored": source.n_ignored,
        "n_waiting": source.n_waiting,
        "n_kept": verdicts["kept"],
        "n_repaired": verdicts["repaired"],
        "n_quarantined": verdicts["quarantined"],
        "share_unreadable": (verdicts["quarantined"] - reasons["low_information"]) / len(manifest),
        "n_classes": len(classes),
        "min_class_readable": min(n_readable),
        "max_class_readable": max(n_readable),
    } | {f"reason/{reason}": reasons[reason] for reason in REASONS}


if __name__ == "__main__":
    run_stage("validate", main)
