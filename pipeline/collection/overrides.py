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

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from pipeline.collection.decision_file import ID, cut_cells, read_decisions, write_lines
from pipeline.errors import DataError, nearest, quote_value
from pipeline.labels import compose_label

COLUMNS = ("id", "key", "action", "label", "note")
ACTIONS = ("restore", "drop", "relabel")
PAST = {"restore": "restored", "drop": "dropped", "relabel": "relabelled"}


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
    return read_decisions(
        path, COLUMNS, _parse, lambda earlier: f"is decided on an earlier line ({earlier.action})"
    )


def write_overrides(overrides: Iterable[Override], path: Path) -> None:
    """Write the decisions whole: sorted by key, the same bytes for the same decisions."""
    ordered = sorted(overrides, key=lambda one: (one.key, one.id))
    write_lines(map(astuple, ordered), COLUMNS, path)


def add_decisions(overrides: Sequence[Override], new: Sequence[Override]) -> list[Override]:
    """The decisions with the new ones; a new one replaces an earlier one about the same picture."""
    return [*remove_decisions(overrides, new), *new]


def remove_decisions(overrides: Sequence[Override], gone: Sequence[Override]) -> list[Override]:
    """The decisions without those about the pictures of `gone`."""
    return [one for one in overrides if not any(one.is_about(other) for other in gone)]


def drop_repeats(wanted: Sequence[Override]) -> list[Override]:
    """One decision per picture: the first of those about the same bytes.

    Raises:
        DataError: two files with the same bytes are both to be restored.
    """
    found: dict[str, Override] = {}
    for one in wanted:
        other = found.setdefault(one.id or one.key, one)
        if other is not one and one.action == "restore":
            raise DataError(
                f"{other.key} and {one.key} have the same bytes; only one of them can be restored"
            )
    return list(found.values())


def find_earlier(overrides: Sequence[Override], wanted: Override) -> Override | None:
    """The same decision if it was made before. It stays with its note, unless there is a new one."""
    same = (one for one in overrides if one.is_about(wanted) and one.action == wanted.action)
    found = next((one for one in same if one.label == wanted.label), None)
    renamed = found and wanted.action == "restore" and found.key != wanted.key
    return None if wanted.note or renamed else found


def _parse(cells: list[str], where: str) -> Override:
    override = Override(*cut_cells(cells, COLUMNS, where))
    override = replace(override, label=compose_label(override.label))
    if fault := _find_fault(override):
        raise DataError(f"{where}, {fault}; correct the line or remove it")
    return override


def _find_fault(override: Override) -> str:
    """What is wrong with a decision itself, or ""."""
    if override.id and not ID.fullmatch(override.id):
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
