"""The tables that the suites look at, from those that the stages write. All pure."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.parquet import counted

MEASURES = ("brightness", "contrast", "sharpness", "entropy", "share_white", "jpeg_quality")
_MIN_SIDE_PX = 32  # below, a picture has no fingerprint


def files_of(manifest: pa.Table) -> pa.Table:
    """The manifest with plain columns only, and `aspect`: the longer side against the shorter.

    Measures and aspect are null where a file cannot be used: what is quarantined is not looked at twice.
    """
    usable = pc.not_equal(manifest.column("verdict"), "quarantined")
    flat = _replaced(manifest, "repairs", pc.binary_join(manifest.column("repairs"), ", "))
    for name in MEASURES:
        flat = _replaced(flat, name, pc.if_else(usable, flat.column(name), None))
    width, height = (pc.cast(flat.column(name), pa.float64()) for name in ("width", "height"))
    aspect = pc.divide(
        pc.max_element_wise(width, height), pc.max_element_wise(pc.min_element_wise(width, height), 1)
    )
    return flat.append_column("aspect", pc.if_else(usable, aspect, None))


def pictures_of(kept: pa.Table, manifest: pa.Table) -> pa.Table:
    """Clean's manifest with `fingerprint_quality`, null for what is too small to have a fingerprint."""
    at = pc.index_in(kept.column("key"), value_set=manifest.column("key"))
    sides = pc.min_element_wise(manifest.column("width"), manifest.column("height"))
    is_large = pc.greater_equal(pc.take(sides, at), _MIN_SIDE_PX)
    quality = pc.if_else(is_large, kept.column("pdq_quality"), None)
    plain = kept.select(["key", "id", "label", "group", "shard", "row"])
    return plain.append_column("fingerprint_quality", quality)


def sums_of(
    kept: pa.Table, away: pa.Table, manifest: pa.Table, *, n_pixels: int, picture_shape: Sequence[int]
) -> pa.Table:
    """One row: what does not add up, and what share of the collection is what.

    Args:
        n_pixels, picture_shape: pictures in the shards, and the shape of each.
    """
    passed = manifest.filter(pc.not_equal(manifest.column("verdict"), "quarantined")).column("key")
    n_lost = pc.sum(pc.is_in(passed, value_set=away.column("key"))).as_py() or 0
    sizes = [n for n in counted(kept.column("group")).values() if n > 1]
    n = max(len(kept), 1)
    row = {
        "what": "all files",
        "n_unaccounted": len(manifest) - len(kept) - len(away),
        # More is no fault: a file that fails after validate leaves its row empty.
        "n_without_pixels": max(len(kept) - n_pixels, 0),
        "shape": " x ".join(map(str, picture_shape)),
        "share_quarantined": n_lost / max(len(passed), 1),
        "share_near_duplicates": sum(sizes) / n,
        "share_largest_group": max(sizes, default=0) / n,
    }
    return pa.Table.from_pylist([row])


def classes_of(kept: pa.Table, manifest: pa.Table, labels: Sequence[str]) -> pa.Table:
    """A row a class: its files, the pictures left of it, and these against the largest class's."""
    n_files, n_kept = (counted(table.column("label")) for table in (manifest, kept))
    largest = max((n_kept[label] for label in labels), default=0)
    columns = {
        "label": list(labels),
        "n_files": [n_files[label] for label in labels],
        "n_kept": [n_kept[label] for label in labels],
        "share_of_largest": [n_kept[label] / max(largest, 1) for label in labels],
    }
    return pa.table(columns)


def _replaced(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
