"""A quick look at a collection: its classes, and the facts of some pictures of each."""

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.images.inspection import give_up, inspect_item
from pipeline.params import Params
from pipeline.sources import Place, Record, Source, open_source
from pipeline.workers import ordered_map

_N_LOOKED_AT, _N_A_CLASS = 400, 40  # pictures that are decoded, in all and of a class
_MAX_STREAMED, _MAX_STREAM_S = 20_000, 8.0  # of a source that tells its labels only while it is read


@dataclass(frozen=True)
class Survey:
    """What a quick look at a collection found.

    Attributes:
        n_files: in all; `counts` may be of fewer, where the source tells labels only while it is read.
        counts: files by class, of the classes in natural order.
        keys: (key, label) of the files that were listed.
        has_own_split: whether the source divides its pictures itself.
        facts: of the pictures that were decoded, by the names of `images.facts`.
        n_refused: pictures that could not be used, of those that were looked at.
    """

    where: Place
    n_files: int
    counts: Mapping[str, int]
    keys: Sequence[tuple[str, str]]
    has_own_split: bool
    facts: Sequence[Mapping[str, Any]]
    n_refused: int

    @property
    def n_looked_at(self) -> int:
        """How many pictures were decoded, or refused."""
        return len(self.facts) + self.n_refused


def survey_source(path: Place, params: Params) -> Survey:
    """Look at a source as validate would, but at a few hundred pictures only.

    Raises:
        SourceError, ParamsError: as `open_source`.
    """
    source = open_source(path, params.data)
    if source.list_keys is None:
        records, keys = _stream(source)
    else:
        keys = list(source.list_keys())
        records = list(source.pick_records(_choose_keys(keys)))
    counts = Counter(label for _, label in keys)
    facts, n_refused = _inspect(records, params)
    return Survey(
        path,
        len(source),
        {label: counts[label] for label in source.labels},
        keys,
        any(record.source_split for record in records),
        facts,
        n_refused,
    )


def _choose_keys(keys: Sequence[tuple[str, str]]) -> set[str]:
    """Keys spread evenly over each class."""
    of_label = defaultdict(list)
    for key, label in keys:
        of_label[label].append(key)
    n = max(1, min(_N_A_CLASS, _N_LOOKED_AT // max(len(of_label), 1)))
    return {key for own in of_label.values() for key in own[:: max(1, len(own) // n)][:n]}


def _stream(source: Source) -> tuple[list[Record], list[tuple[str, str]]]:
    """Some records, and the keys of all that were met in the time."""
    end, n_of = time.monotonic() + _MAX_STREAM_S, Counter[str]()
    records: list[Record] = []
    keys: list[tuple[str, str]] = []
    for record in itertools.islice(source.stream_records(), _MAX_STREAMED):
        keys.append((record.key, record.label))
        n_of[record.label] += 1
        if n_of[record.label] <= _N_A_CLASS and len(records) < _N_LOOKED_AT:
            records.append(record)
        if time.monotonic() > end:
            break
    return records, keys


def _inspect(records: Sequence[Record], params: Params) -> tuple[list[Mapping[str, Any]], int]:
    section = params.validate_
    items: Iterator[tuple[str, tuple[bytes, str]]] = (
        (record.key, (record.data, record.key)) for record in records if record.refusal is None
    )
    look = partial(
        inspect_item,
        formats=(*section.formats, "PPM"),
        max_pixels=section.max_pixels,
        min_side_px=section.min_side_px,
        min_local_contrast=section.min_local_contrast,
    )
    found = [
        one
        for _, one in ordered_map(
            look,
            items,
            n_bytes=lambda item: len(item[0]),
            max_seconds=section.max_seconds_per_file,
            lost=give_up,
        )
    ]
    usable = [one.facts for one in found if one.refusal is None]
    return usable, len(records) - len(usable)
