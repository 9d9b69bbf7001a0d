"""What `darkroom labels queue` leaves: a table to fill in, its pictures beside it, and a sheet to look at.

The table holds path,label,split,answer,probability,rank,scan. The split is train, since people label these
pictures for the model to learn from. The pictures are copies, in a folder called as the
table. So DVC sees them, and one can look at a picture of an archive.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

import numpy as np

from pipeline.characters import escape, quote_cell, say_count
from pipeline.collection.contact_sheets import draw_blank_tile
from pipeline.collection.thumbnails import make_thumbnails
from pipeline.errors import DataError
from pipeline.evidence.label_queue import Pool, Scan
from pipeline.figures.drawing import shorten
from pipeline.figures.sheets import draw_sheet
from pipeline.images.recipe import Recipe
from pipeline.serving.decoding import MAX_SECONDS
from pipeline.storage import write_whole

COLUMNS = ("path", "label", "split", "answer", "probability", "rank", "scan")
_ENDING = ".csv"
_TILE_PX, _TILE_IN, _N_COLUMNS = 176, 1.8, 5
_LINE = 34  # characters of a caption
_MAX_PART = 100  # bytes of a part of a path
_ODD = '\\:*?"<>|'  # what some system does not take in the name of a file


def find_free_table(path: Path) -> Path:
    """The path of a new table: this one, or with the first number where nothing lies yet."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(one for one in chain([path], numbered) if not any(map(_lies_there, _list_places(one))))


def check_new(table: Path, sheet: Path) -> None:
    """Refuse places where something lies already: labels may be filled in there, or in a copy of the table.

    Raises:
        DataError: a table, its pictures or a sheet would be written over; or the table is called otherwise
            than what is read as one.
    """
    if table.suffix.lower() != _ENDING:
        raise DataError(f"{table}: the table is a CSV file; call it {table.with_suffix(_ENDING).name}")
    for path in (table, _find_folder(table), sheet):
        if _lies_there(path):
            raise DataError(
                f"{path} is there already, and nothing is written over; move it away, or name another file, "
                f"such as {find_free_table(table).name}"
            )


def write_queue(pool: Pool, chosen: Sequence[int], class_names: Sequence[str], path: Path) -> list[Path]:
    """Copy the chosen scans, then write the table; returns the copies.

    Args:
        chosen: positions in the pool, in the order in which to label them.
        path: of the table, where nothing lies.

    Raises:
        StorageError: something cannot be written.
        DataError: a scan cannot be read any more.
    """
    folder = _find_folder(path)
    names = _name_copies([pool.scans[i] for i in chosen], folder)
    copies = [folder / name for name in names]
    for i, copy in zip(chosen, copies, strict=True):
        data = pool.scans[i].read()
        if not data:
            for written in copies:
                written.unlink(missing_ok=True)
            raise DataError(f"{pool.scans[i].name} cannot be read any more; run it again")
        with write_whole(copy) as temporary:
            temporary.write_bytes(data)
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for rank, (i, name) in enumerate(zip(chosen, names, strict=True), start=1):
            answer, p = _describe(pool, i, class_names)
            texts = (f"{folder.name}/{name}", "", "train", escape(answer))
            table.writerow([*map(quote_cell, texts), f"{p:.6f}", rank, quote_cell(pool.scans[i].name)])
    return copies


def draw_queue(
    pool: Pool,
    chosen: Sequence[int],
    copies: Sequence[Path],
    *,
    class_names: Sequence[str],
    recipe: Recipe,
    path: Path,
) -> None:
    """Draw the chosen scans as they are, each with its rank, what the model thinks, and its path."""
    files = ((str(copy), copy.read_bytes()) for copy in copies)
    tiles = make_thumbnails(
        files,
        side_px=_TILE_PX,
        formats=recipe.formats,
        max_pixels=recipe.max_pixels,
        max_seconds=MAX_SECONDS,
        scales=recipe.scales,
    )
    blank = draw_blank_tile(_TILE_PX)
    pictures = [tiles.get(str(copy), blank) for copy in copies]
    captions = [
        _write_caption(rank, *_describe(pool, i, class_names), copy, path)
        for rank, (i, copy) in enumerate(zip(chosen, copies, strict=True), start=1)
    ]
    draw_sheet(
        np.array(pictures, np.uint8),
        captions,
        title=f"To label next: {len(chosen):,} of {say_count(len(pool), 'scan')}",
        path=path,
        n_columns=_N_COLUMNS,
        tile_in=_TILE_IN,
    )


def _write_caption(rank: int, answer: str, p: float, copy: Path, sheet: Path) -> str:
    base = copy.relative_to(sheet.parent) if copy.is_relative_to(sheet.parent) else copy
    return f"{rank}   {shorten(answer, 20)}? {p:.0%}\n{shorten(str(base), _LINE)}"


def _describe(pool: Pool, i: int, class_names: Sequence[str]) -> tuple[str, float]:
    """The likeliest class of a scan, and its probability."""
    best = int(pool.y_prob[i].argmax())
    return class_names[best], float(pool.y_prob[i, best])


def _find_folder(path: Path) -> Path:
    """The folder of the pictures of a table: called as the table, without its ending."""
    return path.with_suffix("")


def _list_places(path: Path) -> Iterator[Path]:
    yield from (path, _find_folder(path), path.with_suffix(".png"))


def _lies_there(path: Path) -> bool:
    """Whether anything but an empty folder has this path."""
    if path.is_dir() and not path.is_symlink():
        return any(path.iterdir())
    return path.exists() or path.is_symlink()


def _name_copies(scans: Sequence[Scan], folder: Path) -> list[str]:
    """A path below the folder for each scan: its own, or with a number where that is taken."""
    names: list[str] = []
    taken: set[str] = set()
    for scan in scans:
        for name in _spell(scan.below):
            if name.casefold() not in taken:
                break
        taken.add(name.casefold())
        names.append(name)
    return names


def _spell(name: str) -> Iterator[str]:
    """A path that every system takes, then the same with numbers."""
    parts = ["".join("_" if letter in _ODD else letter for letter in part) for part in name.split("/")]
    *above, last = (_shorten_part(part) for part in parts)
    stem, dot, ending = last.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (last, "")
    yield "/".join([*above, last])
    number = 1
    while True:
        number += 1
        yield "/".join([*above, f"{stem}-{number}{ending}"])


def _shorten_part(part: str) -> str:
    """A part of a path without its beginning, where it is too long: the ending says what a file is."""
    return part.encode()[-_MAX_PART:].decode(errors="ignore")
