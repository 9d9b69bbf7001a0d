"""The layout "pictures and a table of labels": any table that params.yaml names, or one found by its columns.

Hugging Face's image folders are of this kind: metadata.csv or metadata.jsonl, with the columns file_name and
label, at the top or in each folder of a split. Every row and every file is accounted for: a file without a
row has no label, and a row without a file is a record that is `missing`.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from sys import intern

from pipeline.characters import cut, say_count
from pipeline.errors import SourceError
from pipeline.params import LabelsParams
from pipeline.refusals import Refusal
from pipeline.sources.columns import check_few, list_names, name_labels
from pipeline.sources.containers import Entry, Recall
from pipeline.sources.label_rows import LabelTable, check_columns, describe_table, is_table, read_rows
from pipeline.sources.matching import N_TRIED, Rule, choose_rule, clean_path
from pipeline.sources.names import is_side_file
from pipeline.sources.parts import has_class_folders, name_parts
from pipeline.sources.records import Listing, Record, Source

_METADATA = ("metadata.csv", "metadata.jsonl")
_N_EXPLAINED = 3  # tables that are not used
_MOSTLY = 0.5  # of the first rows must name a file for a table to be taken without being asked for

_log = logging.getLogger(__name__)


@dataclass
class _Said:
    """What the tables say: label and part of each file by key, rows without a file, and what is wrong."""

    labels: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # key -> label, part, detail
    notes: dict[str, str] = field(default_factory=dict)  # key -> why a file in a table has no label


def find_label_tables(listing: Listing, section: LabelsParams) -> list[LabelTable]:
    """The tables that label the pictures of a source; [] if its folders, or nothing, do.

    Raises:
        SourceError: `data.labels.file` names no file, or a table lacks a column that was asked for.
    """
    wanted = (section.path_column, section.label_column, section.split_column)
    if section.file:
        named = [entry for entry in listing.entries if listing.name(entry) == section.file.removeprefix("./")]
        if not named:
            raise SourceError(_explain_no_table(listing, section.file))
        return [_require_columns(listing, describe_table(listing, named[0], wanted, is_asked=True))]
    entries = [entry for entry in listing.entries if _base(listing.name(entry)) in _METADATA]
    found = [describe_table(listing, entry, ("file_name", *wanted[1:])) for entry in entries]
    if found and all(table.path and table.label for table in found):
        return found
    if has_class_folders(map(listing.name, listing.entries)):
        return []
    if entries:
        return [_require_columns(listing, table) for table in found]
    return _find_by_columns(listing, wanted)


def explain_unused_tables(listing: Listing, section: LabelsParams) -> tuple[str, ...]:
    """A sentence for each table at the top that may hold labels and is not used."""
    wanted = (section.path_column, section.label_column, section.split_column)
    tops = (entry for entry in listing.entries if "/" not in (name := listing.name(entry)) and is_table(name))
    said = (_explain_unused(listing, entry, wanted) for entry in islice(tops, _N_EXPLAINED))
    return tuple(filter(None, said))


def _explain_unused(listing: Listing, entry: Entry, wanted: Sequence[str]) -> str:
    name = cut(listing.name(entry), 100)
    start = f"{name} is not used as a table of labels"
    try:
        table = _require_columns(listing, describe_table(listing, entry, wanted))
        if not _names_files(listing, table):
            return ""
    except SourceError as error:
        is_notes = name.lower().endswith(".txt")  # any text, which need not be a table
        return "" if is_notes else f"{start}: {error}"
    return f"{start}, since class folders are there; `data.labels.file: {name}` uses it in their place"


def read_labelled(listing: Listing, tables: Sequence[LabelTable], class_names: Sequence[str]) -> Source:
    """Records labelled by the rows of tables.

    Raises:
        SourceError: a table cannot be read, or none of its rows names a file.
    """
    used = {table.entry for table in tables}
    entries = [entry for entry in listing.entries if entry not in used]
    keys = {listing.name(entry) for entry in entries}
    said = _Said()
    for table in tables:
        _read_table(listing, table, keys, said)
    names = name_labels(
        {label for label, *_ in (*said.labels.values(), *said.missing.values())}, class_names, listing
    )
    if not names:
        raise SourceError(f"the source {listing.where}: no row of {_list(listing, tables)} has a label")
    parts = name_parts({key.partition("/")[0] for key in keys if "/" in key})
    _report(listing, tables, said, keys)

    def describe(key: str) -> tuple[str, str, str]:
        label, part = said.labels.get(key, ("", ""))
        no_row = f"{_list(listing, tables)} has no row for it"
        why = said.notes.get(key, no_row)
        return names.get(label, ""), part or parts.get(key.partition("/")[0], ""), why

    def read(
        chosen: Sequence[Entry], missing: Collection[str], recall: Recall | None = None
    ) -> Iterator[Record]:
        for content in listing.container.read(chosen, recall):
            key = listing.name(content.entry)
            label, part, why = describe(key)
            found = (content.data, content.refusal, why, content.stamp, content.id, content.unread)
            yield Record(key, label, part, *found)
        for key in missing:
            label, part, detail = said.missing[key]
            yield Record(key, names.get(label, ""), part, b"", Refusal("missing", detail))

    def pick(wanted: Collection[str]) -> Iterator[Record]:
        chosen = [entry for entry in entries if listing.name(entry) in wanted]
        return read(chosen, [key for key in said.missing if key in wanted])

    return Source(
        listing.where,
        list_names(names.values(), class_names),
        len(entries) + len(said.missing),
        listing.n_ignored + len(used),
        (),
        lambda: read(entries, said.missing),
        pick,
        lambda: ((key, describe(key)[0]) for key in sorted(keys)),
        stream_unknown=lambda recall: read(entries, said.missing, recall),
    )


def _read_table(listing: Listing, table: LabelTable, keys: set[str], said: _Said) -> None:
    """Add what one table says."""
    name = listing.name(table.entry)
    rule, n_found = _choose(listing, table, keys)
    if not n_found:
        (first, *_) = [row.path for row in islice(read_rows(listing, table), 1)] or [""]
        raise SourceError(
            f"the source {listing.where}: none of the first rows of {name} names a file, such as "
            f"{cut(first, 100)!r} in the column {table.path!r}; set data.labels.path_column or mend the paths"
        )
    _log.info(
        "%s is a folder of pictures and a table of labels, %s: paths in %r (%s), labels in %r",
        *(listing.where, name, table.path, rule.describe, table.label),
    )
    rows: dict[str, int] = {}
    labels: set[str] = set()
    for row in read_rows(listing, table):
        path = clean_path(row.path)
        labels.add(label := intern(row.label))
        check_few(labels, listing)
        if not (key := rule.find(path) if path else ""):
            detail = f"row {row.number:,} of {name} names it, and there is no such file"
            free = path if path and path not in keys else f"{path or 'no path'} (row {row.number})"
            said.missing.setdefault(free, (label, row.part, detail))
            continue
        earlier = said.labels.get(key, (label, row.part))
        if key in said.notes or earlier != (label, row.part):
            words = zip(earlier, (label, row.part), strict=True)
            old, new = next((pair for pair in words if pair[0] != pair[1]), (label, label))
            both = f"{old!r} in row {rows.get(key, 0):,} and {new!r} in row {row.number:,}"
            said.notes.setdefault(key, f"{name} calls it {both}")
            label = ""
        elif not label:
            said.notes[key] = f"row {row.number:,} of {name} has no label for it"
        said.labels[key], rows[key] = (label, row.part), row.number


def _choose(listing: Listing, table: LabelTable, keys: Collection[str]) -> tuple[Rule, int]:
    paths = [clean_path(row.path) for row in islice(read_rows(listing, table), N_TRIED)]
    return choose_rule(paths, keys, listing.name(table.entry).rpartition("/")[0])


def _find_by_columns(listing: Listing, wanted: Sequence[str]) -> list[LabelTable]:
    """The only table at the top whose columns hold paths and labels, and whose paths name files."""
    names = {listing.name(entry): entry for entry in listing.entries}
    tops = [name for name in names if "/" not in name and is_table(name)]
    if len(tops) != 1 or all(map(is_side_file, names)):
        return []
    try:
        table = describe_table(listing, names[tops[0]], wanted)
        is_good = bool(table.path and table.label) and _names_files(listing, table)
    except SourceError:
        return []  # `explain_unused_tables` says why
    return [table] if is_good else []


def _names_files(listing: Listing, table: LabelTable) -> bool:
    """Whether most of the first rows of a table name files of the source."""
    names = {listing.name(entry) for entry in listing.entries if entry != table.entry}
    n_tried = sum(1 for _ in islice(read_rows(listing, table), N_TRIED))
    return bool(n_tried) and _choose(listing, table, names)[1] >= _MOSTLY * n_tried


def _require_columns(listing: Listing, table: LabelTable) -> LabelTable:
    return check_columns(
        table,
        f"{listing.name(table.entry)} in {listing.where}",
        "set data.labels.{what}_column",
    )


def _explain_no_table(listing: Listing, file: str) -> str:
    held = sorted(name for name in map(listing.name, listing.entries) if is_table(name))[:5]
    return (
        f"data.labels.file names {file!r}, which the source {listing.where} does not hold; it must lie "
        f"there; tables that do: {', '.join(held) or 'none'}"
    )


def _report(listing: Listing, tables: Sequence[LabelTable], said: _Said, keys: set[str]) -> None:
    """Warn of rows without a file and of files without a row."""
    without = sorted(key for key in keys if key not in said.labels and not is_side_file(key))
    for found, noun, what in (
        (sorted(said.missing), "row", "of %s without a file of that name"),
        (without, "file", "without a row in %s, so without a label; leave it out with data.ignore"),
        (sorted(said.notes), "file", "with several labels or parts in %s, or with no label"),
    ):
        if found:
            some = [cut(one, 100) for one in found[:3]]
            _log.warning("%s " + what + ": %s", say_count(len(found), noun), _list(listing, tables), some)


def _list(listing: Listing, tables: Sequence[LabelTable]) -> str:
    names = [listing.name(table.entry) for table in tables]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _base(name: str) -> str:
    return name.rpartition("/")[2]
