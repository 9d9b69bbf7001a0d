"""What the Data Docs of each suite say beside its expectations: totals, reasons, classes, pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.expectations.batches import classes_of
from pipeline.expectations.page import Shown
from pipeline.tables.parquet import counted


def intake_page(manifest: pa.Table, classes: pa.Table, pictures: Mapping[str, Path]) -> Shown:
    """Of validate's tables; `pictures` are PNG files by their headings."""
    verdicts = counted(manifest.column("verdict"))
    names = {"kept": "Kept as they are", "repaired": "Repaired", "quarantined": "Cannot be used"}
    return Shown(
        title="Intake: the images as they came",
        question="What validate saw in every file. Is this collection fit to go on?",
        facts=[
            ("Files", f"{len(manifest):,}"),
            ("Classes", f"{len(classes):,}"),
            *((said, f"{verdicts[verdict]:,}") for verdict, said in names.items()),
        ],
        reasons=_reasons(manifest),
        class_columns=["class", "files", "can be used", "against the largest"],
        classes=[tuple(row.values()) for row in classes.to_pylist()],
        pictures=pictures,
    )


def ready_page(manifest: pa.Table, kept: pa.Table, away: pa.Table, *, labels: Sequence[str]) -> Shown:
    """Of clean's tables; `labels` are the class folders of the source."""
    sizes = [n for n in counted(kept.column("group")).values() if n > 1]
    return Shown(
        title="Ready: the pictures that go on",
        question="What clean made of the files. Is this collection ready to be split and learned?",
        facts=[
            ("Files", f"{len(manifest):,}"),
            ("Classes", f"{len(labels):,}"),
            ("Pictures that go on", f"{len(kept):,}"),
            ("Quarantined", f"{len(away):,}"),
            ("Groups of near-duplicates", f"{len(sizes):,}"),
            ("Pictures in them", f"{sum(sizes):,}"),
        ],
        reasons=_reasons(away),
        class_columns=["class", "files", "go on", "against the largest"],
        classes=[tuple(row.values()) for row in classes_of(kept, manifest, labels).to_pylist()],
    )


def _reasons(table: pa.Table) -> list[tuple[str, int]]:
    """Why files do not go on, the commonest first."""
    found = counted(table.column("reason"))
    del found[""]
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))
