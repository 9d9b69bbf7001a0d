"""clean: every raw file becomes a picture of one size, or a row of the quarantine with the reason.

Reads   data/validate/manifest.parquet, data/overrides.csv (what people decided), data.source and
        data.labelled once more, and some near-duplicates of them twice, for pairs.png (nothing there is
        changed); what earlier runs made of files, in .darkroom/, which then are not read
Writes  data/clean/manifest.parquet (one row per kept picture, sorted by key), shards/ (their pixels,
        uint8), quarantine.parquet (one row per file that is not kept, sorted by key), pairs.parquet (one
        row per link between near-duplicates, sorted by ids), figures/ (pairs.png: the least similar of
        them, as their files are; a contact sheet of every class, class_<name>.png, and of the
        quarantine, quarantine.png),
        scales.json (what is black and white in deep pictures whose files do not say it),
        expectations.json and docs/ (the result of the suite `ready`: open index.html)
Run     python -m pipeline.stages.clean
Cost    one decode and resize per file in DARKROOM_WORKERS processes, where validate's decode did not give
        the picture already; memory does not grow with their number (about 0.5 kB per file for the tables);
        disk: height x width x channels bytes per picture

`collection/file_plan.py` says what becomes of copies and of files that a person decided about.
Near-duplicates are all kept, as one group, which is named by its smallest id.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.collection.contact_sheets import choose_thumbnails, draw_classes, draw_quarantine
from pipeline.collection.developing import Work, develop_files, report_change
from pipeline.collection.duplicate_groups import build_pairs, measure_groups, name_groups
from pipeline.collection.file_plan import File, find_unused, plan_files
from pipeline.collection.fingerprints import Fingerprints
from pipeline.collection.known_files import KnownFiles
from pipeline.collection.known_links import KnownLinks
from pipeline.collection.near_duplicates import link_near
from pipeline.collection.overrides import Override, read_overrides
from pipeline.collection.packed_files import PackedFiles
from pipeline.collection.pair_sheet import Limits, draw_pairs
from pipeline.collection.scales import choose_scales, write_scales
from pipeline.collection.shards import ShardWriter, count_rows_per_shard
from pipeline.errors import DataError
from pipeline.expectations.page import write_docs
from pipeline.expectations.ready import check_ready, describe_ready
from pipeline.images.fingerprint import VIEWS, find_margins
from pipeline.images.flattening import REPAIRS
from pipeline.images.recipe import Recipe
from pipeline.params import CleanParams, Params
from pipeline.paths import Paths
from pipeline.progress import track
from pipeline.refusals import REASONS
from pipeline.runner import Metrics, run_stage
from pipeline.sources import Source, open_collection
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import build_table, read_table, write_table
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.raw_manifest import RAW_MANIFEST
from pipeline.tracking.runs import Run
from pipeline.workers import warn_if_killed

_log = logging.getLogger(__name__)

Uint8 = NDArray[np.uint8]

_MUCH_LARGER = 4
_OF_READY = ["key", "label", "verdict", "width", "height"]  # of validate's manifest; ids take most room


def develop_all(
    files: Mapping[str, File],
    source: Source,
    work: Work,
    writer: ShardWriter,
    prints: Fingerprints,
    *,
    known: KnownFiles,
) -> tuple[dict[str, File], dict[str, Uint8]]:
    """Write picture and fingerprint of every planned file to its row.

    Args:
        known: what earlier runs made of files; it is open.

    Returns:
        changed: files by key of which more is known now. They failed, and have the reason; or a person
            restored them although validate had stopped looking at them, and they have their repairs.
        thumbnails: by key, of the quarantined files that the contact sheet shows, if they can be decoded.

    Raises:
        SourceError: the source has changed since validate.
    """
    waiting = set(files)
    changed: dict[str, File] = {}
    thumbnails: dict[str, Uint8] = {}
    for record, developed in track(
        develop_files(files, source, work, known), total=len(source), what="clean"
    ):
        file = files[record.key]
        if file.key not in waiting or file.id != (None if record.refusal else developed.id):
            raise report_change(f"{file.key} has other bytes")
        waiting.remove(file.key)
        if developed.picture is not None and developed.fingerprint is not None:
            writer.write(*divmod(file.at, writer.per_shard), developed.picture)
            taken = developed.fingerprint
            prints.write(file.at, taken.pdq, taken.quality, taken.views)
            if file.is_restored:
                changed[file.key] = replace(file, repairs=_sort_repairs({*file.repairs, *developed.repairs}))
        elif file.at >= 0:
            changed[file.key] = replace(file, refusal=developed.refusal, at=-1)
        elif developed.picture is not None:
            thumbnails[file.key] = developed.picture
    if gone := sorted(waiting):
        raise report_change(f"{len(gone)} gone, such as {gone[0]}")
    return changed, thumbnails


def plan_work(params: Params, manifest: pa.Table, files: Mapping[str, File]) -> Work:
    """What workers need to know. A decoder may do no more than the files to be decoded needed in validate."""
    formats = {*manifest.column("format").to_pylist()} - {None}
    columns = (manifest.column(name).to_pylist() for name in ("width", "height", "n_frames"))
    shown = choose_thumbnails(files.values())
    both = zip(files.values(), zip(*columns, strict=True), strict=True)  # both are in the order of keys
    rows = [(file.is_restored, *row) for file, row in both if file.at >= 0 or file.key in shown]
    recipe = Recipe.from_params(
        params.clean,
        formats=tuple(sorted(formats)),
        max_pixels=max((width * height for _, width, height, _ in rows), default=1),
        scales=choose_scales(manifest, {key for key, file in files.items() if file.at >= 0}),
    )
    # An animation is kept only where a person restored it; validate refuses all others.
    first_frame = any(is_restored and (n or 1) > 1 for is_restored, _, _, n in rows)
    return Work(recipe, first_frame, params.validate_.max_seconds_per_file)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Plan what becomes of each file, develop, write, and stop if the collection is not ready."""
    manifest = read_table(paths.raw_manifest, RAW_MANIFEST)
    run.log_dataset("raw", paths.raw_manifest, context="clean")
    _warn_if_small(manifest, params.clean)
    source = open_collection(paths.root, params.data)
    labels, overrides = source.labels, read_overrides(paths.overrides)
    files = PackedFiles(plan_files(manifest, overrides, labels))
    idle = find_unused(files, overrides)
    _warn_if_unused(idle, overrides)
    work = plan_work(params, manifest, files)
    write_scales(work.recipe.scales, paths.scales)
    manifest = manifest.select(_OF_READY)
    kept, pairs, thumbnails = _make_pictures(files, source, work, params.clean, paths)
    gone = [file for file in files.values() if file.refusal]
    away = build_table((file.to_row() for file in gone), QUARANTINE, sort_by="key")
    write_table(kept, paths.clean_manifest)
    write_table(away, paths.quarantine)
    write_table(pairs, paths.pairs)
    _check(files, len(manifest), len(kept) + len(away), paths)
    decided = {"n_overrides": len(overrides), "n_overrides_unused": len(idle)}
    metrics = {**_measure(files), **measure_groups(kept), **decided}
    limits = Limits(work.recipe.formats, work.recipe.max_pixels, work.max_seconds, work.recipe.scales)
    draw_pairs(pairs, source, limits, paths.figures("clean") / "pairs.png")
    del files, source  # before Great Expectations is imported: 0.3 kB a file
    pa.default_memory_pool().release_unused()
    sheets = draw_classes(kept, shards=paths.shards, folder=paths.figures("clean"))
    draw_quarantine(gone, thumbnails, paths.figures("clean") / "quarantine.png")
    run.log_artifact(paths.figures("clean"), "figures")
    report = check_ready(manifest, kept, away, section=params.clean, labels=labels, shards=paths.shards)
    report.write(paths.ready_expectations)
    tables = {"manifest": manifest, "kept": kept, "away": away, "pairs": pairs}
    contents = describe_ready(**tables, section=params.clean, labels=labels, sheets=sheets, paths=paths)
    write_docs(report, contents, paths.ready_docs)
    run.log_artifact(paths.ready_expectations)
    run.log_artifact(paths.ready_docs, "docs")
    report.enforce(docs=(paths.ready_docs / "index.html").relative_to(paths.root))
    return metrics


def _sort_repairs(repairs: set[str]) -> tuple[str, ...]:
    return tuple(repair for repair in REPAIRS if repair in repairs)


def _make_pictures(
    files: PackedFiles, source: Source, work: Work, section: CleanParams, paths: Paths
) -> tuple[pa.Table, pa.Table, dict[str, Uint8]]:
    """Write the shards, and bring `files` up to date; returns clean's manifest, the pairs, the thumbnails."""
    n = sum(file.at >= 0 for file in files.values())
    shape = work.recipe.picture_shape
    folder, results = paths.stage("clean"), paths.cache / "results"
    with Fingerprints(folder, n, len(VIEWS)) as prints, KnownFiles(results) as known:
        with ShardWriter(paths.shards, n, shape, count_rows_per_shard(n, shape)) as writer:
            changed, thumbnails = develop_all(files, source, work, writer, prints, known=known)
        failed = ((file.key, file.refusal.detail) for file in changed.values() if file.refusal)
        warn_if_killed(failed, "clean")
        usable = prints.quality >= max(section.near_duplicate_min_quality, 1)
        distance = section.near_duplicate_distance
        links = link_near(
            prints.pdq,
            usable,
            prints.read_views,
            max_distance=distance,
            margins=find_margins(),
            known=KnownLinks(known.store, str(paths.root)),
        )
    files.update(changed)
    linked = {*links.a.tolist(), *links.b.tolist()}
    names = {file.at: (str(file.id), file.key) for file in _list_kept(files) if file.at in linked}
    group = name_groups(names, links, n)
    rows = (_build_row(file, writer.per_shard, group, prints) for file in _list_kept(files))
    kept = build_table(rows, CLEAN_MANIFEST, sort_by="key")
    return kept, build_pairs(names, links, VIEWS), thumbnails


def _warn_if_unused(idle: Sequence[Override], overrides: Sequence[Override]) -> None:
    if idle:
        _log.warning(
            "%d of %d decisions in data/overrides.csv match no file of the source, or a file whose bytes "
            "have changed, such as %s; remove them with `darkroom quarantine undo`",
            len(idle),
            len(overrides),
            idle[0].key or idle[0].id,
        )


def _warn_if_small(manifest: pa.Table, section: CleanParams) -> None:
    """Log a warning if developed pictures keep little of the detail of most originals."""
    sides = [max(size) for size in _list_sizes(manifest)]
    if sides and median(sides) > _MUCH_LARGER * max(section.image_hw):
        _log.warning(
            "clean.image_hw is %s, and the longer side of the median picture has %d pixels, so fine detail "
            "is lost; set a larger clean.image_hw (128, 128 or more for scans)",
            list(section.image_hw),
            median(sides),
        )


def _list_sizes(manifest: pa.Table) -> list[tuple[int, int]]:
    """Width and height of what validate could use."""
    columns = (manifest.column(name).to_pylist() for name in ("verdict", "width", "height"))
    return [(w, h) for verdict, w, h in zip(*columns, strict=True) if verdict != "quarantined"]


def _list_kept(files: Mapping[str, File]) -> Iterator[File]:
    return (file for file in files.values() if file.refusal is None)


def _build_row(file: File, per_shard: int, group: Mapping[int, str], prints: Fingerprints) -> dict[str, Any]:
    shard, row = divmod(file.at, per_shard)
    place = {"duplicate_group": group.get(file.at, file.id), "shard": shard, "row": row}
    fingerprint = {"pdq": prints.pdq[file.at].tobytes(), "pdq_quality": int(prints.quality[file.at])}
    return file.to_row() | place | fingerprint


def _check(files: Mapping[str, File], n_files: int, n_out: int, paths: Paths) -> None:
    """Raise DataError unless every file is accounted for and every class has a picture left."""
    if n_out != n_files:
        raise DataError(f"{n_files} files came in and {n_out} went out; this is a bug, please report it")
    labels_left = {file.label for file in _list_kept(files)}
    if emptied := sorted({file.label for file in files.values()} - {""} - labels_left):
        reasons = Counter(file.reason for file in files.values() if file.label == emptied[0])
        said = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
        where = paths.quarantine.relative_to(paths.root)
        raise DataError(
            f"class {emptied[0]} has no picture left ({said}); every class needs one; see {where}, repair "
            "the source or leave the folder out with data.ignore"
        )


def _measure(files: Mapping[str, File]) -> Metrics:
    n_repaired, repairs, reasons = 0, Counter[str](), Counter[str]()
    for file in files.values():
        reasons[file.reason] += 1
        if file.refusal is None:
            n_repaired += bool(file.repairs)
            repairs.update(file.repairs)
    n_kept = reasons[""]
    return (
        {
            "n_files": len(files),
            "n_kept": n_kept - n_repaired,
            "n_repaired": n_repaired,
            "n_quarantined": len(files) - n_kept,
        }
        | {f"repair/{repair}": repairs[repair] for repair in REPAIRS}
        | {f"reason/{reason}": reasons[reason] for reason in REASONS}
    )


if __name__ == "__main__":
    run_stage("clean", main)
