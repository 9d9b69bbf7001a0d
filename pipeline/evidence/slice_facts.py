"""The facts of the test pictures by which slices are cut: from the manifests, in the words of people."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.collection.groups import find_group_names
from pipeline.errors import DataError
from pipeline.evidence.slices import Fact
from pipeline.images.facts import FACT_BY_NAME
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.tables.raw_manifest import RAW_MANIFEST

_SIDEWAYS = 5  # from this EXIF orientation on, width and height change places
_GREY = 0.01  # colourfulness; less is what compression leaves in a grey picture
_COLUMNS = (
    *("id", "format", "width", "height", "exif_orientation", "jpeg_quality"),
    *("colourfulness", "sharpness", "brightness"),
)

Rows = Mapping[str, list[Any]]


def read_facts(ids: Sequence[str], *, raw_manifest: Path, clean_manifest: Path, group_by: str) -> list[Fact]:
    """The facts of pictures, in the order of their ids; none is their class.

    Raises:
        DataError: validate has not seen one of them.
    """
    table = read_table(raw_manifest, RAW_MANIFEST).select(list(_COLUMNS))
    place = {id_: i for i, id_ in enumerate(table["id"].to_pylist())}
    lost = [id_ for id_ in ids if id_ not in place]
    if lost:
        raise DataError(
            f"{raw_manifest} lacks {len(lost)} of the test pictures, the first is {lost[0]}; run `dvc repro`"
        )
    rows: Rows = table.take(pa.array([place[id_] for id_ in ids], pa.int64())).to_pydict()
    return [*_list_facts(rows), _find_sources(ids, read_table(clean_manifest, CLEAN_MANIFEST), group_by)]


def _list_facts(rows: Rows) -> Iterator[Fact]:
    width, height = (_take_numbers(rows, name) for name in ("width", "height"))
    is_sideways = np.nan_to_num(_take_numbers(rows, "exif_orientation")) >= _SIDEWAYS
    width, height = np.where(is_sideways, height, width), np.where(is_sideways, width, height)
    colour = [
        None if value is None else "colour" if value >= _GREY else "grey" for value in rows["colourfulness"]
    ]
    yield Fact(FACT_BY_NAME["format"].word, np.array(rows["format"], dtype=object))
    yield Fact("shorter side", np.minimum(width, height), " px")
    yield Fact("width / height", width / height)
    yield Fact("colour", np.array(colour, dtype=object))
    quality = _take_numbers(rows, "jpeg_quality")
    yield Fact(FACT_BY_NAME["jpeg_quality"].word, quality, unknown="no JPEG, or not known")
    for name in ("sharpness", "brightness"):
        yield Fact(FACT_BY_NAME[name].word, _take_numbers(rows, name))


def _take_numbers(rows: Rows, name: str) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in rows[name]], np.float64)


def _find_sources(ids: Sequence[str], clean: pa.Table, group_by: str) -> Fact:
    """Where pictures come from: what `split.group_by` finds in their keys, or folders beside the class's."""
    columns = [clean[name].to_pylist() for name in ("key", "label", "source_split")]
    if group_by:
        names = find_group_names(columns[0], group_by)
    else:
        names = [_name_folder(*row) for row in zip(*columns, strict=True)]
    of = dict(zip(clean["id"].to_pylist(), names, strict=True))
    mine = [of.pop(id_) or None for id_ in ids]
    elsewhere = Counter(name for name in of.values() if name)
    return Fact("source" if group_by else "folder", np.array(mine, dtype=object), elsewhere=elsewhere)


def _name_folder(key: str, label: str, source_split: str) -> str:
    """The folders of a key without that of its class, and without that of the source's own split."""
    folders = key.split("/")[:-1]
    if source_split:
        folders = folders[1:]
    return "/".join(folder for folder in folders if folder != label)
