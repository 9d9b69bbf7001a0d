"""Clean's tables, checked against the suite `ready`: a report and its page. Nothing is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.collection.duplicate_groups import list_sizes
from pipeline.collection.shards import Shards
from pipeline.expectations import ready_suite
from pipeline.expectations.engine import hold_against, new_context
from pipeline.expectations.page import Contents, Strip, count_reasons, count_repairs
from pipeline.expectations.report import Report, build_report
from pipeline.images.picture import encode_png
from pipeline.images.strip import make_strip
from pipeline.params import CleanParams
from pipeline.paths import Paths
from pipeline.tables.parquet import count_values

_MIN_SIDE_PX = 32  # below, a picture has no fingerprint
_STRIP_PX, _N_IN_STRIP, _MAX_STRIPS = 88, 8, 20  # a page of 20 classes takes about 2 MB


def check_ready(
    manifest: pa.Table,
    kept: pa.Table,
    away: pa.Table,
    *,
    section: CleanParams,
    labels: Sequence[str],
    shards: Path,
) -> Report:
    """Check what clean made against the suite `ready`.

    Args:
        manifest: of schema RAW_MANIFEST.
        kept: of schema CLEAN_MANIFEST.
        away: of schema QUARANTINE.
        labels: the class folders of the source.
        shards: the folder that holds the pixels.
    """
    pixels = Shards(shards)
    context = new_context()
    pictures = _build_pictures(kept, manifest)
    sums = _build_sums(kept, away, manifest, n_pixels=len(pixels), picture_shape=pixels.picture_shape)
    classes = _count_classes(kept, manifest, labels)
    held = {
        "ready-pictures": (pictures, ready_suite.expect_of_pictures(section, labels), "key"),
        "ready-sums": (sums, ready_suite.expect_of_sums(section), "what"),
        "ready-classes": (classes, ready_suite.expect_of_classes(section), "label"),
    }
    results = {
        name: hold_against(
            context, name, table, expectations, named_by=named_by, is_complete=named_by == "label"
        )
        for name, (table, expectations, named_by) in held.items()
    }
    why = _explain_unseen(*_count_unsearched(pictures, section), len(pictures))
    unseen = dict.fromkeys(("share_near_duplicates", "share_largest_group"), why)
    return build_report("ready", results, unseen=unseen)


def _count_unsearched(pictures: pa.Table, section: CleanParams) -> tuple[int, int]:
    """How many pictures are too small for a fingerprint, and how many too plain to be compared."""
    quality = pictures.column("fingerprint_quality")
    least = max(section.near_duplicate_min_quality, 1)  # as clean compares them
    return quality.null_count, pc.sum(pc.less(quality, least)).as_py() or 0


def _explain_unseen(n_small: int, n_plain: int, n: int) -> str:
    """Why no picture was searched for near-duplicates; "" if some of the n were."""
    reasons = ((n_small, "small for a fingerprint"), (n_plain, "plain to be compared"))
    said = [f"{m:,} {'picture is' if m == 1 else 'pictures are'} too {what}" for m, what in reasons if m]
    return " and ".join(said) if n_small + n_plain == n else ""


def describe_ready(
    manifest: pa.Table,
    kept: pa.Table,
    away: pa.Table,
    *,
    pairs: pa.Table,
    section: CleanParams,
    labels: Sequence[str],
    sheets: Mapping[str, Path],
    paths: Paths,
) -> Contents:
    """The page about clean's tables; its figures and the shards are written already.

    Args:
        labels: the class folders of the source.
        sheets: the contact sheet of each class that has one.
    """
    sizes = list_sizes(kept)
    n_unsearched = sum(_count_unsearched(_build_pictures(kept, manifest), section))
    folder = paths.figures("clean")
    figures = [
        ("Near-duplicates", folder / "pairs.png", len(pairs)),
        ("Quarantine", folder / "quarantine.png", len(away)),
    ]
    groups = [("Groups of near-duplicates", f"{len(sizes):,}"), ("Pictures in them", f"{sum(sizes):,}")]
    if n_unsearched:  # and 0 groups would be no answer if no picture was searched
        groups = groups if n_unsearched < len(kept) else []
        groups += [("Not searched for near-duplicates", f"{n_unsearched:,}")]
    return Contents(
        title="Ready: the pictures that are kept",
        question="What clean made of the files. Is this collection ready to be split and trained on?",
        facts=[
            ("Files", f"{len(manifest):,}"),
            ("Classes", f"{len(labels):,}"),
            ("Pictures that are kept", f"{len(kept):,}"),
            ("Quarantined", f"{len(away):,}"),
            *groups,
        ],
        reasons=count_reasons(away),
        repairs=count_repairs(kept),
        class_columns=["class", "files", "kept", "share of the largest"],
        classes=[tuple(row.values()) for row in _count_classes(kept, manifest, labels).to_pylist()],
        strips=_make_strips(kept, sheets, paths.shards),
        pictures={name: file for name, file, n in figures if n},
        links={
            "The images as they came": paths.data_docs / "index.html",
            "Contact sheets and all other figures of clean": folder,
            "After the run: how good the model is": paths.report,
        },
        command="darkroom quarantine list" if len(away) else "",
    )


def _make_strips(kept: pa.Table, sheets: Mapping[str, Path], shards: Path) -> list[Strip]:
    shown = list(sheets.items())[:_MAX_STRIPS]
    return [
        Strip(label, sheet, encode_png(make_strip(_gather(kept, label, shards), height_px=_STRIP_PX)))
        for label, sheet in shown
    ]


def _gather(kept: pa.Table, label: str, shards: Path) -> NDArray[np.uint8]:
    """The first pictures of a class by id, as on its contact sheet: uint8 [n, height, width, channels]."""
    mine = kept.filter(pc.equal(kept.column("label"), label)).select(["id", "shard", "row"])
    shown = mine.take(pc.sort_indices(mine.column("id"))[:_N_IN_STRIP])
    return Shards(shards).gather(shown.column("shard").to_numpy(), shown.column("row").to_numpy())


def _build_pictures(kept: pa.Table, manifest: pa.Table) -> pa.Table:
    """Clean's manifest with `fingerprint_quality`, null for pictures too small to have a fingerprint."""
    at = pc.index_in(kept.column("key"), value_set=manifest.column("key"))
    sides = pc.min_element_wise(manifest.column("width"), manifest.column("height"))
    is_large = pc.greater_equal(pc.take(sides, at), _MIN_SIDE_PX)
    quality = pc.if_else(is_large, kept.column("pdq_quality"), None)
    plain = kept.select(["key", "id", "label", "duplicate_group", "shard", "row"])
    return plain.append_column("fingerprint_quality", quality)


def _build_sums(
    kept: pa.Table, away: pa.Table, manifest: pa.Table, *, n_pixels: int, picture_shape: Sequence[int]
) -> pa.Table:
    """One row: what does not add up, the shape of the pictures, and shares of the collection.

    Args:
        n_pixels, picture_shape: the number of pictures in the shards, and the shape of each.
    """
    passed = manifest.column("key").filter(pc.not_equal(manifest.column("verdict"), "quarantined"))
    n_lost = pc.sum(pc.is_in(passed, value_set=away.column("key"))).as_py() or 0
    sizes = list_sizes(kept)
    n = max(len(kept), 1)
    row = {
        "what": "all files",
        "n_unaccounted": len(manifest) - len(kept) - len(away),
        # More pixels are no fault: a file that fails after validate leaves its row empty.
        "n_without_pixels": max(len(kept) - n_pixels, 0),
        "shape": " x ".join(map(str, picture_shape)),
        "share_quarantined": n_lost / max(len(passed), 1),
        "share_near_duplicates": sum(sizes) / n,
        "share_largest_group": max(sizes, default=0) / n,
    }
    return pa.Table.from_pylist([row])


def _count_classes(kept: pa.Table, manifest: pa.Table, labels: Sequence[str]) -> pa.Table:
    """One row per class: its files, the pictures left of it, and these divided by the largest class's."""
    n_files, n_kept = (count_values(table.column("label")) for table in (manifest, kept))
    largest = max((n_kept[label] for label in labels), default=0)
    columns = {
        "label": list(labels),
        "n_files": [n_files[label] for label in labels],
        "n_kept": [n_kept[label] for label in labels],
        "share_of_largest": [n_kept[label] / max(largest, 1) for label in labels],
    }
    return pa.table(columns)
