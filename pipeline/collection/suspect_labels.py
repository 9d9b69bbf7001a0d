"""data/evaluate/suspect_labels.csv: labels that may be wrong, the likeliest first."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.characters import quote_cell, unquote_cell
from pipeline.errors import DataError, explain_unread, one_line
from pipeline.storage import write_whole


@dataclass(frozen=True, slots=True)
class Suspect:
    """A picture whose label may be wrong.

    Attributes:
        rank: 1 is the most suspect.
        id, key: the sha256 of its bytes, and its path in the source.
        label, suggested: the class that it has, and the one that it probably shows.
        label_probability, suggested_probability: of these two, by a network that has not seen the picture.
    """

    rank: int
    id: str
    key: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float


COLUMNS = tuple(field.name for field in fields(Suspect))


def write_suspects(suspects: Iterable[Suspect], path: Path) -> None:
    """Write a line per suspect label, in the order given."""
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for one in suspects:
            rank, *texts, label_probability, suggested_probability = astuple(one)
            shares = (f"{share:.6f}" for share in (label_probability, suggested_probability))
            table.writerow([rank, *map(quote_cell, texts), *shares])


def read_suspects(path: Path) -> list[Suspect]:
    """The suspect labels in a file.

    Raises:
        DataError: evaluate has not written it, or it is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            _check_header(next(lines, []))
            return [_parse(cells) for cells in lines]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro` to make it") from None
    except OSError as error:
        raise DataError(explain_unread(path, error)) from None
    except (csv.Error, ValueError) as error:
        raise DataError(f"{path} is damaged ({one_line(error)}); run `dvc repro -f evaluate`") from None


def _check_header(cells: list[str]) -> None:
    if tuple(cells) != COLUMNS:
        raise ValueError("it has other columns")


def _parse(cells: list[str]) -> Suspect:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} cells in a line")
    rank, *texts, label_probability, suggested_probability = cells
    id_, key, label, suggested = map(unquote_cell, texts)
    shares = (float(label_probability), float(suggested_probability))
    return Suspect(int(rank), id_, key, label, suggested, *shares)
