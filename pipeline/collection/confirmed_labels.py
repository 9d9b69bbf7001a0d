"""`data/confirmed_labels.csv`: labels that looked wrong and that a person found right. It is in git.

There is one line per picture, with these columns:

- `id`: the sha256 of its bytes, so a renamed file keeps its line; may be empty;
- `key`: its path in the source, which counts if there is no id;
- `label`: the class that is right. Where the picture has another one by now, the line counts for nothing;
- `note`: why, for people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from pipeline.collection.decision_file import ID, cut_cells, read_decisions, write_lines
from pipeline.errors import DataError, quote_value
from pipeline.labels import compose_label

COLUMNS = ("id", "key", "label", "note")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The label of the picture whose sha256 is `id`, or of the file `key` if `id` is ""."""

    id: str
    key: str
    label: str
    note: str = ""

    def is_about(self, id_: str, key: str) -> bool:
        """Whether it is about the picture with this id and key."""
        return self.id == id_ if self.id else self.key == key


class ConfirmedLabels:
    """Looks up whether a person has confirmed the label that a picture has."""

    def __init__(self, confirmed: Iterable[Confirmed]) -> None:
        self._labels = {one.id or one.key: compose_label(one.label) for one in confirmed}

    def covers(self, id_: str, key: str, label: str) -> bool:
        """Whether the picture with this id and key is confirmed to be of this class."""
        return compose_label(label) in (self._labels.get(id_), self._labels.get(key))


def read_confirmed(path: Path) -> list[Confirmed]:
    """The confirmed labels in a file, in the order of its lines; none if the file does not exist.

    Raises:
        DataError: a line is malformed, or two are about the same picture; the message names the line.
    """
    return read_decisions(path, COLUMNS, _parse, lambda _: "is confirmed on an earlier line")


def write_confirmed(confirmed: Iterable[Confirmed], path: Path) -> None:
    """Write the confirmed labels whole: sorted by key, the same bytes for the same labels."""
    ordered = sorted(confirmed, key=lambda one: (one.key, one.id))
    write_lines(map(astuple, ordered), COLUMNS, path)


def add_confirmed(confirmed: Sequence[Confirmed], new: Sequence[Confirmed]) -> list[Confirmed]:
    """The confirmed labels with the new ones; a new one replaces an earlier one about the same picture.

    The note of an earlier one stays, unless the new one has another or the label differs.
    """
    kept = []
    for one in new:
        same = (old for old in confirmed if old.is_about(one.id, one.key) and old.label == one.label)
        earlier = next(same, None)
        kept.append(replace(one, note=one.note or earlier.note) if earlier else one)
    return [*remove_confirmed(confirmed, [(one.id, one.key) for one in new]), *kept]


def remove_confirmed(confirmed: Sequence[Confirmed], pictures: Sequence[tuple[str, str]]) -> list[Confirmed]:
    """The confirmed labels without those of some pictures, given as (id, key)."""
    return [one for one in confirmed if not any(one.is_about(id_, key) for id_, key in pictures)]


def _parse(cells: list[str], where: str) -> Confirmed:
    one = Confirmed(*cut_cells(cells, COLUMNS, where))
    if one.id and not ID.fullmatch(one.id):
        fault = f"id: 64 hexadecimal digits or nothing are allowed, got {quote_value(one.id)}"
    elif not one.id and not one.key:
        fault = "key: an id or a key must name the picture, got neither"
    elif not one.label:
        fault = "label: the class that is right, got nothing"
    else:
        return replace(one, label=compose_label(one.label))
    raise DataError(f"{where}, {fault}; correct the line or remove it")
