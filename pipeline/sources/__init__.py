"""Raw images, wherever they are: one stream of records from folders, archives and tables.

Two layers: containers (folder, zip, tar: names and bytes) and, on top, layouts (a folder per class, a table
of labels, WebDataset, Parquet, IDX pairs, CSV of pixels). Whatever lies at the source is read in place and
never changed.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pathspec import GitIgnoreSpec

from pipeline.characters import cut
from pipeline.errors import ParamsError, SourceError
from pipeline.labels import compose_label
from pipeline.params import DataParams
from pipeline.sources.containers import (
    LAYOUTS,
    Container,
    Content,
    Entry,
    PutOff,
    Recall,
    Unread,
    escape_name,
    summarise,
)
from pipeline.sources.disk import wrap_files
from pipeline.sources.folders import find_wrapper, read_class_folders
from pipeline.sources.idx import find_idx_pairs, read_idx
from pipeline.sources.label_rows import is_table
from pipeline.sources.labelled import explain_unused_tables, find_label_tables, read_labelled
from pipeline.sources.labelled_pictures import LabelledPath, join_labelled, read_paths
from pipeline.sources.names import is_archive
from pipeline.sources.obstacles import Obstacle, find_obstacles
from pipeline.sources.opening import open_container
from pipeline.sources.parquet import find_parquet, read_parquet
from pipeline.sources.pixel_csv import find_csv_tables, read_csv
from pipeline.sources.records import Listing, Record, Source
from pipeline.sources.samples import find_shards, read_samples
from pipeline.sources.slices import Slice, cut_slice
from pipeline.sources.urls import Place, Url, find_place, find_scheme, is_url

__all__ = [
    "Container",
    "Content",
    "Entry",
    "Obstacle",
    "Place",
    "PutOff",
    "Recall",
    "Record",
    "Slice",
    "Source",
    "Unread",
    "cut_slice",
    "escape_name",
    "find_obstacles",
    "find_place",
    "find_scheme",
    "is_archive",
    "is_url",
    "list_labelled",
    "open_collection",
    "open_container",
    "open_source",
    "stamp_collection",
    "wrap_files",
]

_TABLES = (".csv", ".csv.gz", ".parquet")

_log = logging.getLogger(__name__)


def open_collection(root: Path, section: DataParams) -> Source:
    """The source of a project, together with the pictures that people have labelled beside it.

    Args:
        root: the folder of the project, to which the paths in `section` are relative.

    Raises:
        SourceError, ParamsError: as `open_source`, or as `join_labelled`.
    """
    source, place = open_source(find_place(root, section.source), section), root / section.labelled
    return join_labelled(source, _list(place, section), root) if place.exists() else source


def list_labelled(root: Path, section: DataParams) -> list[LabelledPath]:
    """What the tables at `data.labelled` say, row by row, with and without labels.

    Raises:
        SourceError: a table cannot be read.
    """
    place = root / section.labelled
    return list(read_paths(_list(place, section), root)) if place.exists() else []


def open_source(path: Place, section: DataParams) -> Source:
    """List the raw images at `path`: a folder, archive or table, or a prefix or archive in a store.

    Args:
        section: `data` of params.yaml: what is ignored, names for numbered labels, what a CSV looks like.

    Raises:
        SourceError: nothing usable is there; the message says what was found and what is allowed.
        ParamsError: a pattern of `data.ignore` is malformed.
    """
    _check_kind(path)
    listing = _list(path, section)
    if section.labels.file:
        found = find_label_tables(listing, section.labels)
        return read_labelled(listing, found, section.class_names)
    try:
        source = _read_tables(listing, section) if section.layout == "auto" else None
    except SourceError as error:
        if not is_table(path.name):
            raise
        how = f"set data.source to its folder and data.labels.file to {path.name}"
        raise SourceError(f"{error}; if it is a table of labels, {how}") from None
    return source or _read_folders(listing, section)


def _read_tables(listing: Listing, section: DataParams) -> Source | None:
    """The source if anything but its folders labels its pictures."""
    names, labels = section.class_names, section.labels
    if pairs := find_idx_pairs(listing):
        return read_idx(listing, pairs, names)
    if found := find_label_tables(listing, labels):
        return read_labelled(listing, found, names)
    if shards := find_shards(listing, partial(_list, section=section), labels.label_column):
        return read_samples(listing, shards, names, labels.label_column)
    if files := find_parquet(listing):
        return read_parquet(listing, files, names, labels)
    if tables := find_csv_tables(listing):
        return read_csv(listing, tables, names, section.csv.label_column, section.csv.image_hw)
    return None


def _read_folders(listing: Listing, section: DataParams) -> Source:
    """The source by its class folders, with notes on tables of labels that are passed over."""
    notes = explain_unused_tables(listing, section.labels)
    try:
        return replace(read_class_folders(listing, section.layout), notes=notes)
    except SourceError as error:
        raise SourceError("; ".join((str(error), *notes))) from None


def stamp_collection(root: Path, section: DataParams) -> tuple[str, str]:
    """Two hashes, of the source and of what is labelled beside it, that change with any file; none is read.

    They are made of names, sizes and times: of an archive itself, or of all in a folder that `data.ignore`
    does not leave out. Labelled pictures count wherever they lie, so tables of labels are read.

    Raises:
        SourceError, ParamsError: as `open_collection`.
    """
    source, place = find_place(root, section.source), root / section.labelled
    _check_kind(source)
    labelled = hashlib.sha256(_stamp(place, section).encode() if place.exists() else b"")
    for row in list_labelled(root, section):
        labelled.update(_describe_status(row.path) if row.path else b"")
    return _stamp(source, section), labelled.hexdigest()


def _stamp(path: Place, section: DataParams) -> str:
    hashed = hashlib.sha256(_describe_status(path) if path.is_file() else b"")
    if path.is_dir():
        listing = _list(path, section)
        hashed.update(repr(sorted(listing.folders)).encode())
        for entry in sorted(listing.entries, key=lambda entry: entry.name):
            status = repr(entry).encode() if isinstance(path, Url) else _describe_status(entry.handle)
            hashed.update(f"{entry.name}\0".encode() + status)
    return hashed.hexdigest()


def _describe_status(path: str | Place) -> bytes:
    """Size, time and number of a file; nothing for one that cannot be looked at."""
    try:
        if isinstance(path, Url):
            return repr(path.stat()).encode()
        status = os.stat(path)  # noqa: PTH116 (a Path for each file would cost as much again)
    except OSError:
        return b""
    return repr((status.st_size, status.st_mtime_ns, status.st_ino)).encode()


def _check_kind(path: Place) -> None:
    if isinstance(path, Url):
        if path.name.lower().endswith(_TABLES):
            raise SourceError(
                f"the source {path} is a single table, which is read from disk only; allowed in an object "
                "store: a prefix of pictures, or a .zip, .tar, .tar.gz or .tgz"
            )
        return
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise SourceError(
            f"the source {path} cannot be read: {summarise(error)}; get a complete copy"
        ) from None
    if not is_folder and not is_file:
        raise SourceError(f"the source {path} does not exist; set data.source in params.yaml; {LAYOUTS}")
    if is_file and not is_archive(path.name) and not path.name.lower().endswith(_TABLES):
        if is_table(path.name) and not path.name.lower().endswith(".txt"):
            how = f"data.source its folder and data.labels.file {path.name}"
            raise SourceError(f"the source {path} is a table; if it holds labels, make {how}")
        raise SourceError(f"the source {path} is a file of an unknown kind; {LAYOUTS}")


def _list(path: Place, section: DataParams) -> Listing:
    container = open_container(path, follow_links=section.follow_links)
    ignored = _Ignored.compile(section.ignore)
    entries = [entry for entry in container.entries if not _is_ignored(entry.name, ignored, container)]
    folders = frozenset(folder for folder in container.folders if not ignored.match(f"{folder}/"))
    prefix = find_wrapper(entries, folders, container.folder_links)
    if prefix:
        _log.info(
            "%s: all files lie in the folder %s, which is left out of their keys",
            escape_name(container.where.name),
            cut(prefix, 100),
        )
        inside = (folder.removeprefix(prefix) for folder in folders if folder.startswith(prefix))
        folders = frozenset(folder for folder in inside if not ignored.match(f"{folder}/"))
        entries = [entry for entry in entries if not ignored.match(entry.name.removeprefix(prefix))]
    n_ignored = len(container.entries) - len(entries)
    links = container.folder_links & {entry.name for entry in entries} if container.folder_links else ()
    inside_links = frozenset(link.removeprefix(prefix) for link in links)
    return Listing(container, entries, folders, prefix, n_ignored, inside_links)


def _is_ignored(name: str, ignored: "_Ignored", container: Container) -> bool:
    return ignored.match(name) or (name in container.folder_links and ignored.match(f"{name}/"))


@dataclass(frozen=True)
class _Ignored:
    """The patterns of `data.ignore`, composed (Unicode NFC): as people type them, whatever a disk writes."""

    spec: GitIgnoreSpec

    @classmethod
    def compile(cls, patterns: Sequence[str]) -> "_Ignored":
        try:
            return cls(GitIgnoreSpec.from_lines(map(compose_label, patterns)))
        except ValueError as error:
            raise ParamsError(
                f"data.ignore: {error}; allowed: patterns as in .gitignore, got {list(patterns)}"
            ) from None

    def match(self, name: str) -> bool:
        """Whether a file, or a folder with "/" at its end, is left out."""
        return bool(self.spec.match_file(compose_label(name)))
