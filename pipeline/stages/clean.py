"""clean: every raw file becomes a canonical picture, or a row of the quarantine with the reason.

Reads   data/validate/manifest.parquet, data.source once more (nothing there is changed)
Writes  data/clean/manifest.parquet (a row a picture that goes on, sorted by key), shards/ (their pixels,
        uint8), quarantine.parquet (a row a file that does not, sorted by key), pairs.parquet (a row a link
        between near-duplicates, sorted by ids), figures/pairs.png (the closest of them)
Run     python -m pipeline.stages.clean
Cost    one decode and resize a file in DARKROOM_WORKERS processes; memory does not grow with their
        number (about 0.5 kB a file for the tables); disk: height x width x channels bytes a picture

Files with the same bytes: one is kept where their labels agree (one in the source's own test set rather
than in others, so that what it tests on stays), none where they differ. Near-duplicates are all kept, as
one group, which is named by its smallest id.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count, islice
from statistics import median
from sys import intern
from typing import Any

import pyarrow as pa

from pipeline import images
from pipeline.duplicates import near_links
from pipeline.errors import DataError, SourceError
from pipeline.pairs import draw_pairs, group_metrics, group_names, pair_table
from pipeline.params import CleanParams, Params
from pipeline.paths import Paths
from pipeline.prints import Prints
from pipeline.progress import track
from pipeline.runner import Metrics, run_stage
from pipeline.runs import Run
from pipeline.shards import ShardWriter, rows_per_shard
from pipeline.sources import Record, Source, open_source
from pipeline.tables import CLEAN, MANIFEST, QUARANTINE, read_table, write_table
from pipeline.workers import ordered_map

_log = logging.getLogger(__name__)

_PREFERRED = {"test": 0, "val": 1}  # of copies, the one to keep; others after them
_ANSWER_BYTES = 4 << 20  # of pictures that a worker makes before it hands them over
_MUCH_LARGER = 4
_BATCH_ROWS = 4096
_NOT_OF_PICTURES = {"near_duplicate_distance", "near_duplicate_min_quality"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the source and what becomes of it: `at` is its picture's number among those kept, or -1."""

    id: str | None
    key: str
    label: str
    source_split: str
    reason: str
    detail: str
    repairs: tuple[str, ...]
    at: int = -1


def plan(manifest: pa.Table) -> dict[str, File]:
    """What becomes of each file, by key, in the order of keys; pure: no picture is read.

    Args:
        manifest: of schema tables.MANIFEST.

    Returns:
        Files of validate's manifest with reasons for copies added, and the rest numbered from 0.

    Raises:
        DataError: two files have the same key.
    """
    columns = ["id", "key", "label", "source_split", "reason", "detail", "repairs"]
    files: dict[str, File] = {}
    for batch in manifest.select(columns).to_batches(max_chunksize=_BATCH_ROWS):
        for row in batch.to_pylist():
            file = File(**row | {"label": intern(row["label"]), "repairs": tuple(row["repairs"])})
            if file.key in files:
                raise DataError(f"two files have the key {file.key!r}; rename one and run `dvc repro`")
            files[file.key] = file
    for copies in _same_bytes(files):
        files |= {file.key: file for file in _settled(copies)}
    numbers = count()
    return {
        key: files[key] if files[key].reason else replace(files[key], at=next(numbers))
        for key in sorted(files)
    }


def _same_bytes(files: Mapping[str, File]) -> list[list[File]]:
    groups: dict[str | None, list[File]] = {}
    for file in files.values():
        if not file.reason:
            groups.setdefault(file.id, []).append(file)
    return [group for group in groups.values() if len(group) > 1]


def _settled(copies: list[File]) -> list[File]:
    """The files of one group of copies that do not go on, with the reason."""
    ranked = sorted(copies, key=lambda file: (_PREFERRED.get(file.source_split, 2), file.key))
    if len({file.label for file in copies}) == 1:
        detail = f"the same bytes as {ranked[0].key}, which is kept"
        return [replace(file, reason="duplicate", detail=detail) for file in ranked[1:]]
    by_label = {file.label: file.key for file in sorted(copies, key=lambda file: file.key, reverse=True)}
    named = ", ".join(f"{key} ({label})" for label, key in sorted(by_label.items()))
    return [
        replace(file, reason="conflicting_labels", detail=f"the same bytes under labels that differ: {named}")
        for file in copies
    ]


def develop_all(
    files: Mapping[str, File],
    source: Source,
    settings: Mapping[str, Any],
    writer: ShardWriter,
    prints: Prints,
) -> dict[str, File]:
    """Write picture and fingerprint of every planned file to its row; the files that failed, with a reason.

    Args:
        settings: of `images.canonical`.

    Raises:
        SourceError: the source is not what the manifest says any more.
    """
    waiting = set(files)
    failed: dict[str, File] = {}
    for record, developed in track(_developed(files, source, settings), total=len(source), what="clean"):
        file = files[record.key]
        if file.key not in waiting or file.id != (None if record.problem else developed.id):
            raise _changed(f"{file.key} has other bytes")
        waiting.remove(file.key)
        if developed.picture is not None and developed.fingerprint is not None:
            writer.write(*divmod(file.at, writer.per_shard), developed.picture)
            found = developed.fingerprint
            prints.write(file.at, found.pdq, found.quality, found.views)
        elif file.at >= 0:
            failed[file.key] = replace(file, reason=developed.reason, detail=developed.detail, at=-1)
    if gone := sorted(waiting):
        raise _changed(f"{len(gone)} gone, such as {gone[0]}")
    return failed


def _developed(
    files: Mapping[str, File], source: Source, settings: Mapping[str, Any]
) -> Iterator[tuple[Record, images.Developed]]:
    def items() -> Iterator[tuple[Record, tuple[bytes, bool]]]:
        for record in source.records():
            if record.key not in files:
                raise _changed(f"{record.key} is new")
            yield replace(record, data=b""), (record.data, files[record.key].at >= 0)

    height, width = settings["image_hw"]
    chunk_items = min(64, max(1, _ANSWER_BYTES // (height * width * settings["channels"])))
    develop = partial(images.develop, **settings)
    return ordered_map(develop, items(), n_bytes=lambda item: len(item[0]), chunk_items=chunk_items)


def _changed(what: str) -> SourceError:
    return SourceError(f"the source changed since validate: {what}; run `dvc repro` to look at it again")


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    manifest = read_table(paths.raw_manifest, MANIFEST)
    run.log_dataset("raw", paths.raw_manifest, context="clean")
    section = params.clean
    _warn_if_small(manifest, section)
    source = open_source(
        paths.source(params.data.source),
        ignore=params.data.ignore,
        class_names=params.data.class_names,
        csv_label_column=params.data.csv.label_column,
        csv_image_hw=params.data.csv.image_hw,
    )
    settings = section.model_dump(exclude=_NOT_OF_PICTURES) | _decoding(manifest)
    files = plan(manifest)
    n = sum(file.at >= 0 for file in files.values())
    shape = (*section.image_hw, section.channels)
    with Prints(paths.stage("clean"), n, len(images.VIEWS)) as prints:
        with ShardWriter(paths.shards, n, shape, rows_per_shard(n, shape)) as writer:
            files |= develop_all(files, source, settings, writer, prints)
        usable = prints.quality >= max(section.near_duplicate_min_quality, 1)
        distance = section.near_duplicate_distance
        links = near_links(prints.pdq, usable, prints.read_views, max_distance=distance)
    names = {file.at: (str(file.id), file.key) for file in _on(files)}
    group = group_names(names, links, n)
    kept = _table((_kept_row(file, writer.per_shard, group, prints) for file in _on(files)), CLEAN)
    pairs = pair_table(names, links, images.VIEWS)
    away = _table((asdict(file) for file in files.values() if file.reason), QUARANTINE)
    write_table(kept, paths.clean_manifest)
    write_table(away, paths.quarantine)
    write_table(pairs, paths.pairs)
    _check(files, len(manifest), len(kept) + len(away), paths)
    draw_pairs(pairs, kept, shards=paths.shards, path=paths.figures("clean") / "pairs.png")
    run.log_artifact(paths.figures("clean"), "figures")
    return {**_metrics(files), **group_metrics(kept)}


def _warn_if_small(manifest: pa.Table, section: CleanParams) -> None:
    """Say so where the canonical picture keeps little of what most originals show."""
    sides = [max(size) for size in _sizes(manifest)]
    if sides and median(sides) > _MUCH_LARGER * max(section.image_hw):
        _log.warning(
            "clean.image_hw is %s and the median picture %d pixels: fine detail is lost; a larger "
            "clean.image_hw (128, 128 or more for scans) keeps it",
            list(section.image_hw),
            median(sides),
        )


def _sizes(manifest: pa.Table) -> list[tuple[int, int]]:
    """Width and height of what validate could use."""
    columns = (manifest.column(name).to_pylist() for name in ("verdict", "width", "height"))
    return [(w, h) for verdict, w, h in zip(*columns, strict=True) if verdict != "quarantined"]


def _decoding(manifest: pa.Table) -> dict[str, Any]:
    """What a decoder may do: no more than validate's files took, whose bytes these are."""
    formats = {*manifest.column("format").to_pylist()} - {None}
    return {
        "formats": tuple(sorted(formats)),
        "max_pixels": max((width * height for width, height in _sizes(manifest)), default=1),
    }


def _on(files: Mapping[str, File]) -> Iterator[File]:
    """The files that go on."""
    return (file for file in files.values() if not file.reason)


def _kept_row(file: File, per_shard: int, group: Mapping[int, str], prints: Prints) -> dict[str, Any]:
    shard, row = divmod(file.at, per_shard)
    place = {"group": group.get(file.at, file.id), "shard": shard, "row": row}
    fingerprint = {"pdq": prints.pdq[file.at].tobytes(), "pdq_quality": int(prints.quality[file.at])}
    return asdict(file) | place | fingerprint


def _table(rows: Iterator[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows in the order of keys as a table; made piece by piece, so that few are Python objects at a time."""
    pieces = []
    while batch := list(islice(rows, _BATCH_ROWS)):
        pieces.append(pa.RecordBatch.from_pylist(batch, schema=schema))
    return pa.Table.from_batches(pieces, schema=schema).combine_chunks()


def _check(files: Mapping[str, File], n_files: int, n_out: int, paths: Paths) -> None:
    """Raise DataError unless every file is accounted for and every class has a picture left."""
    if n_out != n_files:
        raise DataError(f"{n_files} files came in and {n_out} went out; this is a bug, please report it")
    if emptied := sorted({file.label for file in files.values()} - {""} - _labels_kept(files)):
        reasons = Counter(file.reason for file in files.values() if file.label == emptied[0])
        said = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
        where = paths.quarantine.relative_to(paths.root)
        raise DataError(
            f"class {emptied[0]} has no picture left ({said}); every class needs one; see {where}, repair "
            "the source or leave the folder out with data.ignore"
        )


def _labels_kept(files: Mapping[str, File]) -> set[str]:
    return {file.label for file in files.values() if not file.reason}


def _metrics(files: Mapping[str, File]) -> Metrics:
    kept = [file for file in files.values() if not file.reason]
    n_repaired = sum(bool(file.repairs) for file in kept)
    repairs = Counter(repair for file in kept for repair in file.repairs)
    reasons = Counter(file.reason for file in files.values())
    return (
        {
            "n_files": len(files),
            "n_kept": len(kept) - n_repaired,
            "n_repaired": n_repaired,
            "n_quarantined": len(files) - len(kept),
        }
        | {f"repair/{repair}": repairs[repair] for repair in images.REPAIRS}
        | {f"reason/{reason}": reasons[reason] for reason in images.REASONS}
    )


if __name__ == "__main__":
    run_stage("clean", main)
