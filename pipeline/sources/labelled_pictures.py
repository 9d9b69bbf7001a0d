"""Pictures that people have labelled beside the source: tables of path and label, at `data.labelled`.

A table is a CSV with any separator, a TSV or JSON lines. A path is relative to the table, or to the project,
or absolute. A row without a label waits: it is no picture yet. The key of a picture is its path in the
project; outside the project it is its absolute path, which is another one on another machine. What a table
puts into train is there to learn from, and stays there; what it does not place is dealt as the source is.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pipeline.characters import cut, say_count, unquote_cell
from pipeline.errors import SourceError, nearest
from pipeline.labels import LEARN
from pipeline.refusals import Refusal
from pipeline.sources.containers import Entry, Recall, escape_name
from pipeline.sources.disk import Folder
from pipeline.sources.label_rows import LabelRow, check_columns, describe_table, read_rows
from pipeline.sources.records import Listing, Record, Source
from pipeline.sources.urls import Place, Url

_TABLES = (".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz")  # not .txt, which may be notes
_TAKEN_FOR_TABLES = (".xlsx", ".xls", ".ods", ".txt", ".parquet")  # which people save where a table should be
_N_NAMED, _N_GONE = 10, 3  # classes, and rows without a picture, in a sentence

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabelledPath:
    """A row of a table.

    Attributes:
        path: where its picture lies; None: nowhere.
        key: of its picture.
        label, part: "" where the row has none; the part is learn | val | test.
        row: the table and the row, in words.
    """

    path: Path | None
    key: str
    label: str
    part: str
    row: str


@dataclass
class _Said:
    """What all tables say: the picture of each key with its label, and what is wrong with it."""

    rows: dict[str, LabelledPath] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)


def is_label_table(name: str) -> bool:
    """Whether a file is read as a table of labels; what Excel keeps beside an open one (`~$...`) is none."""
    return name.lower().endswith(_TABLES) and not name.rpartition("/")[2].startswith("~$")


def list_tables(listing: Listing) -> list[Entry]:
    """The tables at a place, by name; a file is one itself. Raises SourceError for an archive."""
    if listing.container.is_archive:
        raise SourceError(
            f"data.labelled: {listing.where} is an archive; allowed: a table, or a folder of tables"
        )
    if listing.where.is_file():
        return list(listing.entries)
    return sorted(
        (entry for entry in listing.entries if is_label_table(entry.name)),
        key=lambda entry: entry.name,
    )


def _warn_of_unread(listing: Listing) -> None:
    """Warn of files in a folder of tables that people take for tables, and of folders that are links."""
    entries = [] if listing.where.is_file() else listing.entries
    unread = sorted(one.name for one in entries if one.name.lower().endswith(_TAKEN_FOR_TABLES))
    if unread:
        _log.warning(
            "data.labelled: %s in %s not read, such as %r: a table is CSV, TSV or JSONL; save it as one",
            say_count(len(unread), "file"),
            f"{listing.where} is" if len(unread) == 1 else f"{listing.where} are",
            unread[0],
        )
    if links := sorted(listing.container.folder_links):
        _log.warning(
            "data.labelled: %s in %s not followed, such as %r; put the folder itself there, or a table that "
            "names its pictures",
            say_count(len(links), "link to a folder", "links to folders"),
            f"{listing.where} is" if len(links) == 1 else f"{listing.where} are",
            links[0],
        )


def read_paths(listing: Listing, root: Path) -> Iterator[LabelledPath]:
    """The rows of all tables at a place.

    Args:
        root: the folder of the project.

    Raises:
        SourceError: a table cannot be read, or has no column of paths or of labels.
    """
    for entry in list_tables(listing):
        table = check_columns(
            describe_table(listing, entry, ("", "", ""), is_asked=True),
            f"{entry.name} in {listing.where}",
            "call it `{what}`, or move the table out of data.labelled",
        )
        place = Path(os.path.abspath(entry.handle))  # noqa: PTH100 (links stay as they are)
        for row in read_rows(listing, table):
            yield _locate(row, place, root)


def join_labelled(source: Source, listing: Listing, root: Path) -> Source:
    """A source together with the labelled pictures at a place.

    A row whose picture is gone is a record that is `missing`. A picture that two rows call differently has no
    label. Equal bytes are one picture, wherever they lie (`collection/file_plan.py`).

    Raises:
        SourceError: a table cannot be read, a label is no class of the source, the place and the source lie
            in each other, or both have a picture of the same key.
    """
    _warn_of_unread(listing)
    if not list_tables(listing):
        return source
    _check_apart(source.where, listing.where)
    said = _collect(read_paths(listing, root), source.labels)
    _log.info(
        "%s: %s with a label beside the source; %s without one yet",
        listing.where,
        say_count(len(said.rows), "picture"),
        say_count(len(said.waiting), "row"),
    )
    if gone := sorted(row.key for row in said.rows.values() if row.path is None):
        lost = say_count(len(gone), "row")
        _log.warning("%s: %s with a label and no picture: %s", listing.where, lost, gone[:_N_GONE])
    list_keys = None
    if known := source.list_keys:
        list_keys = partial(_chain_keys, known, said)
        if both := said.rows.keys() & {key for key, _ in known()}:
            raise SourceError(
                f"{min(both)} is a picture of {source.where}, and another one of {listing.where}; rename one"
            )
    return replace(
        source,
        n_records=source.n_records + len(said.rows),
        n_waiting=len(said.waiting),
        stream=lambda: _chain(source.stream_records(), said, None),
        pick=lambda wanted: _chain(source.pick_records(wanted), said, wanted),
        list_keys=list_keys,
        stream_unknown=lambda recall: _chain(source.stream_records(recall), said, None, recall),
    )


def _chain(
    records: Iterator[Record],
    said: _Said,
    wanted: Collection[str] | None,
    recall: Recall | None = None,
) -> Iterator[Record]:
    yield from records
    rows = [row for key, row in said.rows.items() if wanted is None or key in wanted]
    found = [(row.key, row.path) for row in rows if row.path and _is_file(row.path)]
    there = {key: Entry(key, path.stat().st_size, str(path)) for key, path in found}
    for content in Folder(Path()).read(there.values(), recall):
        row = said.rows[content.entry.name]
        why = said.conflicts.get(row.key, "")
        data = (content.data, content.refusal, why, content.stamp, content.id, content.unread)
        yield Record(row.key, "" if why else row.label, row.part, *data)
    for row in rows:
        if row.key not in there:
            refusal = Refusal("missing", f"{row.row} names it, and there is no such file")
            yield Record(row.key, row.label, row.part, b"", refusal)


def _chain_keys(list_keys: Callable[[], Iterator[tuple[str, str]]], said: _Said) -> Iterator[tuple[str, str]]:
    yield from list_keys()
    yield from ((row.key, row.label) for row in said.rows.values())


def _locate(row: LabelRow, table: Path, root: Path) -> LabelledPath:
    """Where the picture of a row lies: beside its table, or in the project; and its key."""
    text = unquote_cell(row.path)
    spelt = (text, text.replace("\\", "/")) if text else ()
    tried = [Path(os.path.abspath(folder / name)) for name in spelt for folder in (table.parent, root)]  # noqa: PTH100
    found = next((path for path in tried if _is_file(path)), None)
    where = f"row {row.number:,} of {escape_name(table.name)}"
    key = _name_key(found or tried[0], root) if tried else f"{_name_key(table, root)} ({where})"
    part = LEARN if row.part == "train" else row.part
    return LabelledPath(found, key, unquote_cell(row.label), part, where)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that is too long for the disk names none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _name_key(path: Path, root: Path) -> str:
    base = Path(os.path.abspath(root))  # noqa: PTH100
    return escape_name((path.relative_to(base) if path.is_relative_to(base) else path).as_posix())


def _collect(rows: Iterator[LabelledPath], labels: Sequence[str]) -> _Said:
    """What tables say, by key."""
    said, classes = _Said(), set(labels)
    for row in rows:
        if not row.label:
            said.waiting.add(row.key)
            continue
        if row.label not in classes:
            raise SourceError(_explain_label(row, labels))
        first = said.rows.setdefault(row.key, row)
        for one, other in ((first.label, row.label), (first.part, row.part)):
            if one != other:
                both = f"{first.row} calls it {one!r}, and {row.row} calls it {other!r}"
                said.conflicts.setdefault(row.key, both)
    said.waiting -= said.rows.keys()
    return said


def _explain_label(row: LabelledPath, labels: Sequence[str]) -> str:
    some = ", ".join(labels[:_N_NAMED]) + (", ..." if len(labels) > _N_NAMED else "")
    return (
        f"{row.row}: {cut(row.label, 60)!r} is no class of the source{nearest(row.label, labels)}; write "
        f"one of its classes ({some}), and nothing where you do not know"
    )


def _check_apart(source: Place, place: Place) -> None:
    """Raise SourceError where one of two places lies in the other: its pictures would come twice."""
    if isinstance(source, Url) or isinstance(place, Url):
        return
    one, other = source.resolve(), place.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise SourceError(
            f"data.labelled ({place}) and data.source ({source}) lie in each other; move one of them out, or "
            "set data.labels.file for a table of the source's own pictures"
        )
