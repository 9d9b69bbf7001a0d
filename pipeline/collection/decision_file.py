"""Files in git of what people decided about single pictures: CSV, one line per picture.

The first two columns are `id`, the sha256 of the bytes, and `key`, the path in the source; so a renamed file
keeps its decision. A text that a spreadsheet would take for a formula is written with an apostrophe in front,
and read without.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.characters import quote_cell, unquote_cell
from pipeline.errors import DataError, explain_unread, one_line
from pipeline.storage import write_whole


class Decision(Protocol):
    """What one line is about."""

    @property
    def id(self) -> str:
        """The sha256 of the bytes of a picture, or ""."""

    @property
    def key(self) -> str:
        """Its path in the source, or ""."""


_Decision = TypeVar("_Decision", bound=Decision)

ID = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES = 64 << 20


def read_lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The lines below the header, numbered; none if there is no file.

    What spreadsheets add (a byte order mark, CRLF) is accepted.

    Raises:
        DataError: the file cannot be read, is no CSV, or has other columns.
    """
    if not path.exists():
        return
    if path.stat().st_size > _MAX_BYTES:
        raise DataError(f"{path.name} has more than {_MAX_BYTES:,} bytes; restore it from git")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            if tuple(header) != tuple(columns):
                raise DataError(
                    f"{path.name} line 1: the columns must be {','.join(columns)} (with commas), got "
                    f"{','.join(header)[:80] or 'nothing'}; correct that line"
                )
            yield from ((lines.line_num, cells) for cells in lines if cells)
    except OSError as error:
        raise DataError(explain_unread(path.name, error)) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path.name} is not a CSV file in UTF-8: {one_line(error)}; restore it from git"
        ) from None


def read_decisions(
    path: Path,
    columns: Sequence[str],
    parse: Callable[[list[str], str], _Decision],
    describe: Callable[[_Decision], str],
) -> list[_Decision]:
    """The decisions in a file, in the order of its lines; none if there is no file.

    Args:
        parse: makes a decision of the cells of a line; its second argument names the line in errors.
        describe: what an earlier decision about the same picture says: "is dropped on an earlier line".

    Raises:
        DataError: a line is malformed, or two are about the same picture; the message names the line.
    """
    found: dict[str, _Decision] = {}  # by id, or by key where there is none
    for number, cells in read_lines(path, columns):
        where = f"{path.name} line {number}"
        one = parse(cells, where)
        if earlier := found.get(one.id or one.key):
            raise DataError(
                f"{where}: {one.key or one.id} {describe(earlier)}; one line per picture is allowed, so "
                "remove one of the two"
            )
        found[one.id or one.key] = one
    return list(found.values())


def cut_cells(cells: Sequence[str], columns: Sequence[str], where: str) -> list[str]:
    """The texts of one line: the id in small letters, the key as it is, the others without spaces around.

    Raises:
        DataError: there are more or fewer cells than columns; `where` names the line.
    """
    if len(cells) != len(columns):
        raise DataError(
            f"{where}: {len(columns)} columns are allowed ({','.join(columns)}), got {len(cells)}; put a "
            "text with commas in quotes"
        )
    return list(
        map(unquote_cell, [cells[0].strip().lower(), cells[1], *(cell.strip() for cell in cells[2:])])
    )


def write_lines(rows: Iterable[Iterable[str]], columns: Sequence[str], path: Path) -> None:
    """Write the file whole, as it is read."""
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(map(quote_cell, row) for row in rows)
