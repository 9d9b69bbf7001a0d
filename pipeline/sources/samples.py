"""The layout WebDataset: tars of samples, key.jpg beside key.cls (or key.json with a label).

One tar, or a folder of tars (shards), whose names may say train, val or test. A sample without a label, and a
label without a picture, are records all the same.
"""

import json
import logging
import posixpath
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern

from pipeline.errors import SourceError
from pipeline.refusals import Refusal
from pipeline.sources.columns import check_few, find_label_column, list_names, name_labels, read_label
from pipeline.sources.containers import Entry, Recall
from pipeline.sources.names import is_picture, is_side_file, is_tar
from pipeline.sources.parts import find_part_of_file, has_class_folders, name_parts
from pipeline.sources.records import Listing, Record, Source
from pipeline.sources.urls import Url

_MAX_LABEL_BYTES = {".cls": 4096, ".json": 1 << 20}
_N_TRIED = 100  # samples whose .json must hold a label for a tar without .cls to be taken as one of samples

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """A tar of samples; `name` is in front of its keys, "" for a source that is one tar."""

    name: str
    listing: Listing

    def key(self, name: str) -> str:
        """The key of a member."""
        return f"{self.name}/{name}" if self.name else name


def find_shards(listing: Listing, open_shard: Callable[[Path], Listing], label_field: str) -> list[Shard]:
    """The tars of samples at a source; [] if it is of another kind.

    Args:
        open_shard: lists a tar without what is ignored.
        label_field: of a .json, or "".

    Raises:
        SourceError: a tar cannot be read.
    """
    if is_tar(listing.where.name) and listing.container.is_archive:
        return [Shard("", listing)] if _has_samples(listing, label_field) else []
    tars = [entry for entry in listing.entries if is_tar(entry.name) and not entry.refusal]
    others = [entry for entry in listing.entries if not is_tar(entry.name) and not is_side_file(entry.name)]
    if not tars or others or listing.container.is_archive:
        return []
    if isinstance(listing.where, Url):
        raise SourceError(
            f"the source {listing.where} holds several tars, which are read from disk only; name one, "
            "or copy them"
        )
    tars.sort(key=listing.name)
    if not _has_samples(open_shard(Path(tars[0].handle)), label_field):
        return []
    return [Shard(listing.name(entry), open_shard(Path(entry.handle))) for entry in tars]


def read_samples(
    listing: Listing, shards: Sequence[Shard], class_names: Sequence[str], label_field: str
) -> Source:
    """The pictures of tars of samples.

    Raises:
        SourceError: a tar cannot be read, a sample has two pictures, or a label is none.
    """
    labels: dict[str, str] = {}  # by key of a picture, or by key of a sample without one
    pictures: dict[str, list[Entry]] = {}
    lone: list[str] = []
    for shard in shards:
        said = _read_labels(shard, label_field)
        pictures[shard.name] = _list_pictures(shard)
        for entry in pictures[shard.name]:
            name = shard.listing.name(entry)
            labels[shard.key(name)] = said.pop(_stem(name), "")
        lone += [shard.key(stem) for stem in said]
        labels |= {shard.key(stem): label for stem, label in said.items()}
        check_few({*labels.values()}, listing)
    names = name_labels(labels.values(), class_names, listing)
    parts = name_parts((shard.name for shard in shards), find_part_of_file)
    n_records = sum(map(len, pictures.values())) + len(lone)
    n_others = sum(shard.listing.n_ignored + len(shard.listing.entries) for shard in shards) - n_records
    _log.info("%s is WebDataset: %d tars, %d samples", listing.where, len(shards), n_records)

    def read(wanted: Collection[str] | None = None, recall: Recall | None = None) -> Iterator[Record]:
        for shard in shards:
            part = parts.get(shard.name, "")
            held = pictures[shard.name]
            chosen = [e for e in held if wanted is None or shard.key(shard.listing.name(e)) in wanted]
            for content in shard.listing.container.read(chosen, recall) if chosen else ():
                key = shard.key(shard.listing.name(content.entry))
                why = "its sample has no .cls, and no .json with a label"
                found = (content.data, content.refusal, why, content.stamp, content.id, content.unread)
                yield Record(key, names.get(labels[key], ""), part, *found)
        for key in lone:
            if wanted is None or key in wanted:
                refusal = Refusal("missing", "the sample has a label and no picture")
                yield Record(key, names.get(labels[key], ""), "", b"", refusal)

    n_ignored = listing.n_ignored + max(0, n_others) if shards[0].name else max(0, n_others)
    found = list_names(names.values(), class_names)
    return Source(
        *(listing.where, found, n_records, n_ignored, (), read, read),
        stream_unknown=lambda recall: read(recall=recall),
    )


def _stem(name: str) -> str:
    """The key of a sample: the path up to the first dot of the file's name."""
    folder, base = posixpath.split(name)
    return posixpath.join(folder, base.partition(".")[0])


def _has_samples(listing: Listing, label_field: str) -> bool:
    """Whether a tar holds pictures with labels beside them."""
    pictures = {_stem(name) for name in map(listing.name, listing.entries) if is_picture(name)}
    beside = [entry for entry in listing.entries if _stem(listing.name(entry)) in pictures]
    if any(_kind(entry) == ".cls" for entry in beside):
        return True
    if has_class_folders(map(listing.name, listing.entries)):
        return False  # notes beside pictures in class folders
    described = [entry for entry in beside if _kind(entry) == ".json"][:_N_TRIED]
    contents = listing.container.read(described) if described else ()
    return any(_find_label(content.data, label_field) is not None for content in contents)


def _kind(entry: Entry) -> str:
    return posixpath.splitext(entry.name)[1].lower()


def _list_pictures(shard: Shard) -> list[Entry]:
    """The pictures of a tar; raises SourceError if a sample has two."""
    found: dict[str, Entry] = {}
    for entry in shard.listing.entries:
        name = shard.listing.name(entry)
        if not is_picture(name):
            continue
        if (other := found.setdefault(_stem(name), entry)) is not entry:
            raise SourceError(
                f"the sample {shard.key(_stem(name))} in {shard.listing.where} has the pictures "
                f"{shard.listing.name(other)} and {name}; leave one kind out with data.ignore"
            )
    return list(found.values())


def _read_labels(shard: Shard, label_field: str) -> dict[str, str]:
    """The label of each sample of a tar that has one; .cls counts before .json."""
    listing = shard.listing
    said: dict[str, tuple[bool, str]] = {}
    wanted = [entry for entry in listing.entries if _kind(entry) in _MAX_LABEL_BYTES]
    for entry in wanted:
        if entry.n_bytes > _MAX_LABEL_BYTES[_kind(entry)]:
            raise SourceError(
                f"{listing.name(entry)} in {listing.where} has {entry.n_bytes:,} bytes, too many for a "
                "label; leave it out with data.ignore"
            )
    for content in listing.container.read(wanted) if wanted else ():
        name = listing.name(content.entry)
        is_text = _kind(content.entry) == ".cls"
        value = _decode(content.data) if is_text else _find_label(content.data, label_field)
        label = read_label(value, f"{name} in {listing.where}")
        if label and (is_text or not said.get(_stem(name), (False, ""))[0]):
            said[_stem(name)] = (is_text, intern(label))
    return {stem: label for stem, (_, label) in said.items()}


def _decode(data: bytes) -> str:
    return data.decode("utf-8-sig", "backslashreplace")


def _find_label(data: bytes, label_field: str) -> object:
    """The label in a JSON object; None if it holds none."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    return fields.get(find_label_column(list(fields), label_field))
