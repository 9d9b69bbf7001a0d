"""Validate's tables, checked against the suite `intake`: a report and its page. Nothing is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.expectations import intake_suite
from pipeline.expectations.engine import hold_against, new_context
from pipeline.expectations.page import Contents, count_reasons, count_repairs
from pipeline.expectations.report import Report, build_report
from pipeline.images.facts import FACTS
from pipeline.params import ValidateParams
from pipeline.paths import Paths
from pipeline.tables.parquet import count_values

# These are null for quarantined files, which are not looked at twice.
_MEASURES = tuple(fact.name for fact in FACTS if fact.dtype == "float32" or fact.name == "jpeg_quality")


def check_intake(
    manifest: pa.Table, classes: pa.Table, *, section: ValidateParams, formats: Sequence[str]
) -> Report:
    """Check what validate saw against the suite `intake`.

    Args:
        manifest: of schema RAW_MANIFEST.
        classes: of schema RAW_CLASSES.
        formats: what `format` may be; null where a file has no readable header.
    """
    context = new_context()
    files = hold_against(
        context,
        "intake-files",
        _build_files(manifest),
        intake_suite.expect_of_files(section, formats),
        named_by="key",
        is_complete=False,
    )
    folders = hold_against(
        context,
        "intake-classes",
        classes,
        intake_suite.expect_of_classes(section),
        named_by="label",
        is_complete=True,
    )
    return build_report("intake", {"intake-files": files, "intake-classes": folders})


def describe_intake(
    manifest: pa.Table,
    classes: pa.Table,
    pictures: Mapping[str, Path | str],
    paths: Paths,
) -> Contents:
    """The page about validate's tables; `pictures` are as Contents has them."""
    verdicts = count_values(manifest.column("verdict"))
    names = {"kept": "Kept as they are", "repaired": "Repaired", "quarantined": "Cannot be used"}
    return Contents(
        title="Intake: the images as they came",
        question="What validate found in every file. Is this collection fit to use?",
        facts=[
            ("Files", f"{len(manifest):,}"),
            ("Classes", f"{len(classes):,}"),
            *((said, f"{verdicts[verdict]:,}") for verdict, said in names.items()),
        ],
        reasons=count_reasons(manifest),
        repairs=count_repairs(manifest),
        class_columns=["class", "files", "can be used", "share of the largest"],
        classes=[tuple(row.values()) for row in classes.to_pylist()],
        pictures=pictures,
        links={
            "After the run: what clean made of these images": paths.ready_docs / "index.html",
            "After the run: how good the model is": paths.report,
            "All figures of validate": paths.figures("validate"),
        },
    )


def _build_files(manifest: pa.Table) -> pa.Table:
    """The manifest with plain columns only, and `aspect`: the longer side divided by the shorter.

    Measures and aspect are null for files that cannot be used, because quarantined files are not looked at
    twice.
    """
    usable = pc.not_equal(manifest.column("verdict"), "quarantined")
    flat = _replace_column(manifest, "repairs", pc.binary_join(manifest.column("repairs"), ", "))
    for name in _MEASURES:
        flat = _replace_column(flat, name, pc.if_else(usable, flat.column(name), None))
    width, height = (pc.cast(flat.column(name), pa.float64()) for name in ("width", "height"))
    aspect = pc.divide(
        pc.max_element_wise(width, height), pc.max_element_wise(pc.min_element_wise(width, height), 1)
    )
    return flat.append_column("aspect", pc.if_else(usable, aspect, None))


def _replace_column(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
