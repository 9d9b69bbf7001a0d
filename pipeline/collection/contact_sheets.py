"""Contact sheets of a collection: one per class, as a model will see it, and one of the quarantine."""

import hashlib
import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.characters import say_count
from pipeline.collection.file_plan import File
from pipeline.collection.shards import Shards
from pipeline.figures.drawing import shorten
from pipeline.figures.sheets import draw_sheet
from pipeline.images.picture import THUMBNAIL_PX
from pipeline.labels import sort_naturally
from pipeline.refusals import OVERRULABLE, REASONS
from pipeline.storage import remove_files

_log = logging.getLogger(__name__)

N_TILES = 48  # on a sheet
MAX_CLASSES = 50  # with a sheet; a stage writes about 100 files at most
_DECODABLE = frozenset({"duplicate", "dropped", *OVERRULABLE})
_LINE = 20  # characters of a caption's line; a caption may have two
_GREY, _DARKER = 214, 178

Uint8 = NDArray[np.uint8]


def draw_classes(kept: pa.Table, *, shards: Path, folder: Path) -> dict[str, Path]:
    """Draw one sheet per class, `class_<name>.png`, of its developed pictures with the smallest ids.

    Ids are hashes, so the sample is fair. Old sheets are removed first. Only the first 50 classes get a
    sheet.

    Args:
        kept: with the columns id, key, label, shard and row of CLEAN_MANIFEST.

    Returns:
        The sheets by class.
    """
    remove_files(folder, "class_*.png")
    table = kept.select(["id", "key", "label", "shard", "row"])
    labels = sorted(pc.unique(table.column("label")).to_pylist(), key=sort_naturally)
    if len(labels) > MAX_CLASSES:
        _log.info("contact sheets for the first %d of %d classes", MAX_CLASSES, len(labels))
    opened = Shards(shards)
    sheets = {
        label: folder / f"class_{name}.png"
        for label, name in zip(labels[:MAX_CLASSES], name_sheets(labels), strict=False)
    }
    for label, path in sheets.items():
        mine = table.filter(pc.equal(table.column("label"), label))
        shown = mine.take(pc.sort_indices(mine.column("id"))[:N_TILES])
        pictures = opened.gather(shown.column("shard").to_numpy(), shown.column("row").to_numpy())
        captions = [_split_caption(PurePosixPath(key).name) for key in shown.column("key").to_pylist()]
        title = f"{shorten(label, 40)}: {len(shown)} of {len(mine):,} pictures, as developed"
        draw_sheet(pictures, captions, title=title, path=path)
    return sheets


def _split_caption(name: str) -> str:
    text = shorten(name, 2 * _LINE)
    half = -(-len(text) // 2)
    return f"{text[:half]}\n{text[half:]}" if len(text) > _LINE else text


def name_sheets(labels: Sequence[str]) -> list[str]:
    """A part of a file name for each label: safe on every system, and unique even where case is ignored."""
    names: list[str] = []
    for label in labels:
        name = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-")[:40]
        if name != label or name.casefold() in {other.casefold() for other in names}:
            name = f"{name}-{hashlib.sha256(label.encode()).hexdigest()[:6]}".lstrip("-")
        names.append(name)
    return names


def choose_files(files: Iterable[File]) -> list[File]:
    """The quarantined files that the sheet shows: each reason in turn gives its next file by id.

    The result is in the order of REASONS. More files of one reason bring in no file of another. So the
    thumbnails that clean chooses before it develops are still enough after it.
    """
    waiting: dict[str, list[File]] = {reason: [] for reason in REASONS}
    for file in files:
        if file.refusal:
            waiting[file.reason].append(file)
    queues = [sorted(found, key=lambda file: (file.id or "", file.key)) for found in waiting.values()]
    n_each = _share_places([len(queue) for queue in queues])
    return [file for queue, n in zip(queues, n_each, strict=True) for file in queue[:n]]


def choose_thumbnails(files: Iterable[File]) -> set[str]:
    """The keys of the chosen files that can be decoded; what a decoder refused or hung on is left alone."""
    return {file.key for file in choose_files(files) if file.reason in _DECODABLE}


def _share_places(lengths: Sequence[int]) -> list[int]:
    """How many places each queue gets when the queues take turns."""
    taken = [0] * len(lengths)
    left = min(N_TILES, sum(lengths))
    while left:
        for i, length in enumerate(lengths):
            if taken[i] < length and left:
                taken[i] += 1
                left -= 1
    return taken


def draw_quarantine(files: Collection[File], thumbnails: Mapping[str, Uint8], path: Path) -> None:
    """Draw a sheet of quarantined files with their reasons; a file without a picture is a crossed grey tile.

    Args:
        files: all quarantined files.
        thumbnails: uint8 [THUMBNAIL_PX, THUMBNAIL_PX, 3] by key, of the chosen files that can be decoded.
    """
    shown = choose_files(files)
    tiles = [thumbnails.get(file.key, draw_blank_tile(THUMBNAIL_PX)) for file in shown]
    pictures = np.stack(tiles) if tiles else np.empty((0, THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)
    captions = [f"{file.reason}\n{shorten(file.key, _LINE)}" for file in shown]
    title = f"Quarantine: {len(shown)} of {say_count(len(files), 'file')}" if files else "Quarantine: no file"
    draw_sheet(pictures, captions, title=title, path=path)


def draw_blank_tile(side_px: int) -> Uint8:
    """A crossed grey square, uint8 [side_px, side_px, 3], for what cannot be shown."""
    y, x = np.mgrid[:side_px, :side_px]
    is_cross = (abs(x - y) < 2) | (abs(x + y - side_px + 1) < 2)
    grey = np.where(is_cross, _DARKER, _GREY).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
