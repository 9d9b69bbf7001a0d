"""A collection against its suites: tables in, a report out. Nothing is written."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.collection.shards import Shards
from pipeline.expectations import batches, suites
from pipeline.expectations.engine import hold_against, new_context
from pipeline.expectations.report import Report, report_of
from pipeline.params import CleanParams, ValidateParams


def check_intake(
    manifest: pa.Table, classes: pa.Table, *, section: ValidateParams, formats: Sequence[str]
) -> Report:
    """Hold what validate saw to the suite `intake`.

    Args:
        manifest: of schema tables.MANIFEST; classes: of schema tables.CLASSES.
        formats: what `format` may be; null where a file has no readable header.
    """
    context = new_context()
    files = hold_against(
        context,
        "intake-files",
        batches.files_of(manifest),
        suites.intake_files(section, formats),
        named_by="key",
        is_complete=False,
    )
    folders = hold_against(
        context,
        "intake-classes",
        classes,
        suites.intake_classes(section),
        named_by="label",
        is_complete=True,
    )
    return report_of("intake", {"intake-files": files, "intake-classes": folders})


def check_ready(
    manifest: pa.Table,
    kept: pa.Table,
    away: pa.Table,
    *,
    section: CleanParams,
    labels: Sequence[str],
    shards: Path,
) -> Report:
    """Hold what clean made to the suite `ready`.

    Args:
        manifest: of schema tables.MANIFEST; kept: of tables.CLEAN; away: of tables.QUARANTINE.
        labels: the class folders of the source.
        shards: the folder that holds the pixels.
    """
    pixels = Shards(shards)
    context = new_context()
    pictures = batches.pictures_of(kept, manifest)
    sums = batches.sums_of(kept, away, manifest, n_pixels=len(pixels), picture_shape=pixels.picture_shape)
    classes = batches.classes_of(kept, manifest, labels)
    held = {
        "ready-pictures": (pictures, suites.ready_pictures(section, labels), "key"),
        "ready-sums": (sums, suites.ready_sums(section), "what"),
        "ready-classes": (classes, suites.ready_classes(section), "label"),
    }
    results = {
        name: hold_against(
            context, name, table, expectations, named_by=named_by, is_complete=named_by == "label"
        )
        for name, (table, expectations, named_by) in held.items()
    }
    return report_of("ready", results)
