"""Tables of labels as rows: CSV with any separator, TSV, JSON lines; UTF-8, or UTF-16.

A row has a limit, so a file without line ends is no danger.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from pipeline.characters import cut
from pipeline.errors import SourceError, one_line
from pipeline.sources.columns import find_columns, read_label, read_part
from pipeline.sources.containers import MAX_NAME, Entry
from pipeline.sources.pixels import open_entry
from pipeline.sources.records import Listing

TABLES = (".csv", ".tsv", ".txt", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz")
_MAX_ROW = 1 << 20  # characters
_MAX_ROWS = 20_000_000
_SEPARATORS = ",;\t|"
_STATED = re.compile('"?sep=(.)"?', re.IGNORECASE)  # Excel's own first line, which it does not show as a row
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# What the standard library raises on a row that is none: broken quotes, deep brackets, huge numbers.
_BAD_ROW = (csv.Error, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A row: its number, as a spreadsheet shows it (blank rows count), and its cells, "" where empty."""

    number: int
    path: str
    label: str
    part: str


@dataclass(frozen=True)
class LabelTable:
    """A table in a source, and which of its columns hold paths, labels and parts of a split ("": none)."""

    entry: Entry
    columns: tuple[str, ...]
    path: str
    label: str
    part: str


def is_table(name: str) -> bool:
    """Whether a file is called as tables of labels are."""
    return name.lower().endswith(TABLES)


def describe_table(
    listing: Listing, entry: Entry, wanted: Sequence[str], *, is_asked: bool = False
) -> LabelTable:
    """A table by its header; the rest as `find_columns` takes it. Columns that are not there are "".

    Raises:
        SourceError: it cannot be read.
    """
    with open_entry(listing, entry) as stream:
        header = next(_read_cells(stream, listing, entry), (1, {}))[1]
    columns = tuple(header)
    return LabelTable(entry, columns, *find_columns(columns, wanted, is_asked=is_asked))


def check_columns(table: LabelTable, name: str, advice: str) -> LabelTable:
    """The table, if it has a column of paths and one of labels.

    Args:
        name: of the table, for people.
        advice: what to do; `{what}` stands for the kind of column.

    Raises:
        SourceError: one of them is missing.
    """
    for column, what in ((table.path, "path"), (table.label, "label")):
        if not column:
            held = ", ".join(cut(one, 40) for one in table.columns[:8]) or "none"
            raise SourceError(f"{name} has no column of {what}s: it has {held}; {advice.format(what=what)}")
    return table


def read_rows(listing: Listing, table: LabelTable) -> Iterator[LabelRow]:
    """All rows below the header.

    Raises:
        SourceError: it cannot be read, or a cell is no path, label or part.
    """
    name = listing.name(table.entry)
    with open_entry(listing, table.entry) as stream:
        for number, cells in _read_cells(stream, listing, table.entry, header=False):
            where = f"{name} in {listing.where}, row {number:,}"
            if number > _MAX_ROWS:
                raise SourceError(
                    f"{where}: a table of labels has up to {_MAX_ROWS:,} rows; divide the source"
                )
            path = cells.get(table.path) or ""
            if not isinstance(path, str | int) or len(str(path)) > MAX_NAME:
                raise SourceError(
                    f"{where}: the column {table.path!r} holds no path; set data.labels.path_column"
                )
            label = read_label(cells.get(table.label), where)
            yield LabelRow(number, str(path).strip(), label, read_part(cells.get(table.part), where))


def _read_cells(
    stream: IO[bytes], listing: Listing, entry: Entry, *, header: bool = True
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, cells by column) of each row; with `header`, the header alone (cells are then None)."""
    name = entry.name.lower().removesuffix(".gz")
    lines = _Lines(stream)
    try:
        if name.endswith(".jsonl"):
            yield from _read_json_lines(lines)
        else:
            yield from _read_delimited(lines, header)
    except _BAD_ROW as error:
        raise SourceError(
            f"{listing.name(entry)} in {listing.where}, line {lines.number:,}: {one_line(error)}; allowed: a "
            "header and rows (CSV with any separator, TSV) or JSON lines, in UTF-8"
        ) from None


class _Lines:
    """The lines of a text, none of them and no row of them longer than a row may be."""

    def __init__(self, stream: IO[bytes]) -> None:
        head = stream.read(2)
        joined = io.BufferedReader(_Joined(head, stream))
        self._text = io.TextIOWrapper(joined, encoding=_find_encoding(head), newline="")
        self.number, self._n = 0, 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(_MAX_ROW + 1):
            self.number, self._n = self.number + 1, self._n + len(line)
            if self._n > _MAX_ROW:
                raise ValueError(f"a row has more than {_MAX_ROW:,} characters")
            yield line

    def end_row(self) -> None:
        """Count the characters of the next row."""
        self._n = 0


def _find_encoding(head: bytes) -> str:
    """The encoding of a text by its first two bytes: a letter beside a zero is UTF-16 without its mark."""
    if head in _UTF16:
        return "utf-16"
    if head[:1] == b"\0":
        return "utf-16-be"
    return "utf-16-le" if head[1:] == b"\0" else "utf-8-sig"


class _Joined(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head or self._stream.read(len(buffer))
        self._head = b""
        buffer[: len(data)] = data
        return len(data)


def _read_json_lines(lines: _Lines) -> Iterator[tuple[int, dict[str, Any]]]:
    for line in lines:
        lines.end_row()
        if line.strip():
            cells = json.loads(line, object_pairs_hook=_index_pairs)
            if not isinstance(cells, dict):
                raise ValueError("a line is not a JSON object")
            yield lines.number, cells


def _index_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The cells of a JSON object; a name that comes twice is an error."""
    cells = dict(pairs)
    if len(cells) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two cells are called {cut(twice, 40)!r}; rename one")
    return cells


def _read_delimited(lines: _Lines, header: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    ahead = iter(lines)
    first = _find_text(ahead)
    stated = _STATED.fullmatch(first.strip("\r\n"))
    first = _find_text(ahead) if stated else first
    separator = stated[1] if stated else max(_SEPARATORS, key=first.count)
    names = _split_header(first, separator)
    if twice := next((name for name in names if name and names.count(name) > 1), ""):
        raise ValueError(f"two columns are called {cut(twice, 40)!r}; rename one")
    if header:
        yield 1, dict.fromkeys(names)
        return
    lines.end_row()
    rows = csv.reader(ahead, delimiter=separator, strict=True)
    for number, cells in enumerate(rows, start=lines.number + (0 if stated else 1)):
        lines.end_row()
        if any(map(str.strip, cells[len(names) :])):
            raise ValueError(f"{len(cells)} cells in a row, {len(names)} columns in the header")
        if any(map(str.strip, cells)):
            yield number, dict(zip(names, cells, strict=False))


def _find_text(lines: Iterator[str]) -> str:
    """The next line that holds anything; "" at the end."""
    return next((line for line in lines if line.strip()), "")


def _split_header(line: str, separator: str) -> list[str]:
    (names,) = csv.reader([line.strip("\r\n")], delimiter=separator, strict=True) if line else ([],)
    return [name.strip() for name in names]
