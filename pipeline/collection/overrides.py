"""`data/overrides.csv`: what people decided about single pictures. It is in git, and clean carries it out.

There is one line per picture, with these columns:

- `id`: the sha256 of its bytes, so a renamed file keeps its decision; may be empty;
- `key`: its path in the source. It counts if there is no id, and says which of several files with the same
  bytes is meant;
- `action`: restore | drop | relabel;
- `label`: a class folder, for relabel only;
- `note`: why, for people.

A text that a spreadsheet would take for a formula is written with an apostrophe in front, and read without.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from pipeline.characters import quote_cell, unquote_cell
from pipeline.errors import DataError, explain_unread, nearest, one_line, quote_value
from pipeline.labels import compose_label
from pipeline.storage import write_whole

COLUMNS = ("id", "key", "action", "label", "note")
ACTIONS = ("restore", "drop", "relabel")
PAST = {"restore": "restored", "drop": "dropped", "relabel": "relabelled"}
_MAX_BYTES = 64 << 20
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Override:
    """One decision about the picture whose sha256 is `id`, or about the file `key` if `id` is ""."""

    id: str
    key: str
    action: str
    label: str = ""
    note: str = ""

    def is_about(self, other: "Override") -> bool:
        """Whether both are about the same picture: by id if both have one, otherwise by key."""
        if self.id and other.id:
            return self.id == other.id
        return bool(self.key) and self.key == other.key


def read_overrides(path: Path) -> list[Override]:
    """The decisions in a file, in the order of its lines; none if the file does not exist.

    Raises:
        DataError: a line is malformed, or two are about the same picture; the message names the line.
    """
    found: dict[str, Override] = {}  # by id, or by key where there is none
    for number, cells in _read_lines(path):
        override = _parse(cells, f"{path.name} line {number}")
        if earlier := found.get(override.id or override.key):
            raise DataError(
                f"{path.name} line {number}: {override.key or override.id} is decided on an earlier "
                f"line ({earlier.action}); one line per picture is allowed, so remove one of the two"
            )
        found[override.id or override.key] = override
    return list(found.values())


def write_overrides(overrides: Iterable[Override], path: Path) -> None:
    """Write the decisions whole: sorted by key, the same bytes for the same decisions."""
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in sorted(overrides, key=lambda one: (one.key, one.id)):
            writer.writerow(map(quote_cell, astuple(one)))


def add_decisions(overrides: Sequence[Override], new: Sequence[Override]) -> list[Override]:
    """The decisions with the new ones; a new one replaces an earlier one about the same picture."""
    return [*remove_decisions(overrides, new), *new]


def remove_decisions(overrides: Sequence[Override], gone: Sequence[Override]) -> list[Override]:
    """The decisions without those about the pictures of `gone`."""
    return [one for one in overrides if not any(one.is_about(other) for other in gone)]


def _read_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines below the header, numbered; what spreadsheets add (a byte order mark, CRLF) is accepted."""
    if not path.exists():
        return
    if path.stat().st_size > _MAX_BYTES:
        raise DataError(f"{path.name} has more than {_MAX_BYTES:,} bytes; restore it from git")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            if tuple(header) != COLUMNS:
                raise DataError(
                    f"{path.name} line 1: the columns must be {','.join(COLUMNS)} (with commas), got "
                    f"{','.join(header)[:80] or 'nothing'}; correct that line"
                )
            yield from ((lines.line_num, cells) for cells in lines if cells)
    except OSError as error:
        raise DataError(explain_unread(path.name, error)) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path.name} is not a CSV file in UTF-8: {one_line(error)}; restore it from git"
        ) from None


def _parse(cells: list[str], where: str) -> Override:
    if len(cells) != len(COLUMNS):
        raise DataError(
            f"{where}: {len(COLUMNS)} columns are allowed ({','.join(COLUMNS)}), got {len(cells)}; put a "
            "text with commas in quotes"
        )
    cells = [cells[0].strip().lower(), cells[1], *(cell.strip() for cell in cells[2:])]
    override = Override(*map(unquote_cell, cells))
    override = replace(override, label=compose_label(override.label))
    if fault := _find_fault(override):
        raise DataError(f"{where}, {fault}; correct the line or remove it")
    return override


def _find_fault(override: Override) -> str:
    """What is wrong with a decision itself, or ""."""
    if override.id and not _ID.fullmatch(override.id):
        return f"id: 64 hexadecimal digits or nothing are allowed, got {quote_value(override.id)}"
    if not override.id and not override.key:
        return "key: an id or a key must name the file, got neither"
    if override.action not in ACTIONS:
        hint = nearest(override.action[:100], ACTIONS)
        return f"action: {', '.join(ACTIONS)} are allowed, got {quote_value(override.action)}{hint}"
    if override.action == "relabel" and not override.label:
        return "label: relabel needs a class folder, got nothing"
    if override.action != "relabel" and override.label:
        return f"label: only relabel has one, got {quote_value(override.label)} with {override.action}"
    return ""
