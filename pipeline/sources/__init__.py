"""Raw images, wherever they are: one stream of records from folders, archives and tables of pixels.

Two layers: containers (folder, zip, tar: names and bytes) and, on top, layouts (a folder per class,
IDX pairs, CSV of pixels). Whatever lies at the source is read in place and never changed.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from pipeline.errors import ParamsError, SourceError
from pipeline.sources.containers import DAMAGED, LAYOUTS, Container, in_words
from pipeline.sources.disk import list_folder, single_file
from pipeline.sources.folders import class_folders, wrapper_of
from pipeline.sources.idx import idx_pairs, read_idx
from pipeline.sources.pixel_csv import csv_tables, read_csv
from pipeline.sources.records import Listing, Record, Source
from pipeline.sources.tars import list_tar
from pipeline.sources.zips import list_zip

__all__ = ["Record", "Source", "open_source"]

_log = logging.getLogger(__name__)


def open_source(
    path: Path,
    *,
    ignore: Sequence[str],
    class_names: Sequence[str],
    csv_label_column: str,
    csv_image_hw: tuple[int, int],
) -> Source:
    """List the raw images at `path`: a folder, an archive, or a CSV.

    Args:
        ignore: patterns as in .gitignore, against the path inside the source (an archive's wrapper
            folder is not part of it).
        class_names: names for numbered labels (IDX, CSV) by number; empty: the numbers themselves.
        csv_image_hw: height and width in pixels of the pictures in a CSV.

    Raises:
        SourceError: nothing usable is there; the message says what was found and what is allowed.
        ParamsError: a pattern of `ignore` is malformed.
    """
    listing = _listing(_container(path), _ignored(ignore))
    if pairs := idx_pairs(listing):
        return read_idx(listing, pairs, class_names)
    if tables := csv_tables(listing):
        return read_csv(listing, tables, class_names, csv_label_column, csv_image_hw)
    return class_folders(listing)


def _container(path: Path) -> Container:
    name = path.name.lower()
    try:
        if path.is_dir():
            return list_folder(path)
        if not path.is_file():
            raise SourceError(f"the source {path} does not exist; set data.source in params.yaml; {LAYOUTS}")
        if name.endswith((".csv", ".csv.gz")):
            return single_file(path)
        if name.endswith(".zip"):
            return list_zip(path)
        if name.endswith((".tar", ".tar.gz", ".tgz")):
            return list_tar(path)
    except DAMAGED as error:
        raise SourceError(f"the source {path} cannot be read: {in_words(error)}; get a whole copy") from None
    raise SourceError(f"the source {path} is a file of an unknown kind; {LAYOUTS}")


def _ignored(patterns: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ParamsError(
            f"data.ignore: {error}; allowed: patterns as in .gitignore, got {list(patterns)}"
        ) from None


def _listing(container: Container, ignored: GitIgnoreSpec) -> Listing:
    entries = [entry for entry in container.entries if not ignored.match_file(entry.name)]
    folders = frozenset(folder for folder in container.folders if not ignored.match_file(f"{folder}/"))
    prefix = wrapper_of(entries, folders) if container.is_archive else ""
    if prefix:
        _log.info("%s: everything lies in the folder %s, which is left out", container.where.name, prefix)
        inside = (folder.removeprefix(prefix) for folder in folders if folder.startswith(prefix))
        folders = frozenset(folder for folder in inside if not ignored.match_file(f"{folder}/"))
        entries = [entry for entry in entries if not ignored.match_file(entry.name.removeprefix(prefix))]
    return Listing(container, entries, folders, prefix, len(container.entries) - len(entries))
