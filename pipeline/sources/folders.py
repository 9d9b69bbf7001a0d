"""The layout "a folder per class", and the source's own split above it."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.characters import cut
from pipeline.errors import SourceError
from pipeline.labels import compose_label, sort_naturally
from pipeline.param_types import Layout
from pipeline.sources.containers import LAYOUTS, Entry, Recall
from pipeline.sources.names import is_archive, is_side_file
from pipeline.sources.parts import EXACT, name_parts
from pipeline.sources.records import Listing, Record, Source

_N_NAMED = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """Where the class of a file is said: by its first folder, or below the folders of a split.

    Attributes:
        is_second: the second folder is the class.
        parts: train | val | test of each first folder that is a part of the source's own split.
        repeated: first folders that hold nothing but one folder of the same kind, as in train/train/.
    """

    is_second: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    repeated: Mapping[str, str] = field(default_factory=dict)

    def locate(self, folder: str) -> tuple[str, str]:
        """(label, source_split) of what lies in a folder. Labels are composed (Unicode NFC)."""
        first, _, rest = folder.partition("/")
        if not self.is_second:
            return compose_label(first), ""
        inner = self.repeated.get(first)
        if inner and f"{rest}/".startswith(f"{inner}/"):
            rest = rest[len(inner) + 1 :]
        return compose_label(rest.partition("/")[0]), self.parts.get(first, "")


def read_class_folders(listing: Listing, layout: Layout = "auto") -> Source:
    """Records labelled by their folder; deeper folders are part of the key.

    The first folder is the class. If the first folders are a split (train/ and at least one of val/ and
    test/, or names like them), it is the second. `layout` can say which: first_folder | second_folder.

    Raises:
        SourceError: there is no file, no class folder, split folders lie beside others, a class folder is a
            link that is not followed, or either of two levels of folders may be the classes.
    """
    places = find_places(listing, layout)
    _check_links(listing, places)
    found = {label for folder in _list_folders(listing) if (label := places.locate(folder)[0])}
    labels = tuple(sorted(found, key=sort_naturally))
    if not labels:
        raise SourceError(_explain_no_folders(listing))
    if not listing.entries:
        raise SourceError(
            f"the source {listing.where} has the class folders {', '.join(labels)} but no file in any; "
            "put images into them"
        )

    def read(entries: Iterable[Entry], recall: Recall | None = None) -> Iterator[Record]:
        for content in listing.container.read(entries, recall):
            key = listing.name(content.entry)
            label, split = places.locate(key.rpartition("/")[0])
            found = (content.data, content.refusal)
            stamp, known = content.stamp, content.id
            yield Record(key, label, split, *found, stamp=stamp, id=known, unread=content.unread)

    def stream(recall: Recall | None = None) -> Iterator[Record]:
        return read(listing.entries, recall)

    def pick(keys: Collection[str]) -> Iterator[Record]:
        return read(entry for entry in listing.entries if listing.name(entry) in keys)

    def list_keys() -> Iterator[tuple[str, str]]:
        for key in map(listing.name, listing.entries):
            yield key, places.locate(key.rpartition("/")[0])[0]

    return Source(
        *(listing.where, labels, len(listing.entries), listing.n_ignored, ()),
        *(stream, pick, list_keys),
        stream_unknown=stream,
    )


def find_places(listing: Listing, layout: Layout) -> Places:
    """Where the classes are said.

    Raises:
        SourceError: split folders lie beside others, or either of two levels may be the classes.
    """
    if layout == "first_folder":
        return Places()
    folders = _index_folders(listing)
    parts = name_parts(folders)
    if layout == "auto":
        parts = _confirm_split(listing, folders, parts)
    if parts:
        _log.info("%s brings a split of its own: %s", listing.where, _describe_parts(parts))
        return Places(True, parts, _find_repeated(listing, folders, parts))
    if layout == "auto":
        _check_levels(listing, folders)
    return Places(layout == "second_folder")


def _list_folders(listing: Listing) -> set[str]:
    return {listing.name(entry).rpartition("/")[0] for entry in listing.entries} | listing.folders


def _index_folders(listing: Listing) -> dict[str, set[str]]:
    """The second folders in each first folder, composed."""
    found: dict[str, set[str]] = {}
    for folder in (*_list_folders(listing), *listing.folder_links):
        first, _, rest = folder.partition("/")
        found.setdefault(first, set()).add(compose_label(rest.partition("/")[0]))
    return {first: second - {""} for first, second in sorted(found.items()) if first}


def _confirm_split(
    listing: Listing, folders: Mapping[str, set[str]], parts: dict[str, str]
) -> dict[str, str]:
    """The parts if they are a split, {} if they are classes whose names happen to be such words.

    Raises:
        SourceError: they are a split and lie beside other folders, or nothing but their names says so.
    """
    is_exact = bool(name_parts(name for name in parts if name.lower() in EXACT))
    is_sure = is_exact or _holds_same_folders(parts, folders)
    others = sorted(folders.keys() - parts.keys())
    if not parts or (others and not is_sure):
        return {}
    if others:
        raise SourceError(
            f"the source {listing.where} has split folders ({_join(parts)}) beside others: {_join(others)}; "
            "keep to one kind, leave some out with data.ignore, or set data.layout: first_folder if all of "
            "them are classes"
        )
    if not is_sure:
        raise SourceError(
            f"the source {listing.where} has the folders {_join(parts)}, which may be a split or classes, "
            "since they do not hold the same folders; set data.layout: second_folder if they are a split, "
            "first_folder if they are the classes"
        )
    return parts


def _holds_same_folders(parts: Mapping[str, str], folders: Mapping[str, set[str]]) -> bool:
    """Whether the training part shares a folder with another part, or each part holds its own name again."""
    trained = set().union(*(folders[name] for name, part in parts.items() if part == "train"))
    others = set().union(*(folders[name] for name, part in parts.items() if part != "train"))
    return bool(trained & others) or all(folders[name] == {name} for name in parts)


def _find_repeated(
    listing: Listing, folders: Mapping[str, set[str]], parts: Mapping[str, str]
) -> dict[str, str]:
    """The one folder in a part that says the same again, as in seg_train/seg_train/<class>."""
    loose = {first for first, name in _split_names(listing) if "/" not in name}
    alone = {first: next(iter(inner)) for first, inner in folders.items() if len(inner) == 1}
    return {first: one for first, one in alone.items() if first not in loose and one.lower() == first.lower()}


def _split_names(listing: Listing) -> Iterator[tuple[str, str]]:
    """(first folder, rest) of each file that lies in a folder and may be a picture."""
    for entry in listing.entries:
        first, slash, rest = listing.name(entry).partition("/")
        if slash and not is_side_file(rest):
            yield first, rest


def _check_levels(listing: Listing, folders: Mapping[str, set[str]]) -> None:
    """Raise SourceError if all first folders hold the same folders: either level may be the classes."""
    loose = {first for first, rest in _split_names(listing) if "/" not in rest}
    if len(folders) < 2 or loose:
        return
    common, every = set.intersection(*folders.values()), set.union(*folders.values())
    if len(common) >= 2 and 2 * len(common) >= len(every):
        raise SourceError(
            f"the source {listing.where} has the folders {_join(folders)}, and each of them holds "
            f"{_join(common)}: set data.layout: second_folder if those inside are the classes, or "
            "first_folder if the outer ones are; or name the outer ones train, val and test"
        )


def _check_links(listing: Listing, places: Places) -> None:
    """Raise SourceError if a link to a folder stands where a class, or a part of the split, is expected."""
    refused = {listing.name(entry): entry.refusal for entry in listing.entries}
    for name in sorted(listing.folder_links):
        if name.count("/") <= places.is_second:
            remedy = (
                "pack the archive again with what the link leads to (tar -h)"
                if listing.container.is_archive
                else "set data.follow_links: true, or put the folder itself there"
            )
            refusal = refused[name]
            raise SourceError(
                f"the source {listing.where}: the class folder {name!r} is not read: "
                f"{refusal.detail if refusal else 'a link'}; {remedy}, or leave it out with data.ignore"
            )
    if listing.folder_links:
        _log.warning(
            "%s: %d links to folders inside classes are not followed, such as %s",
            listing.where,
            len(listing.folder_links),
            cut(min(listing.folder_links), 100),
        )


def _describe_parts(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{cut(name, 50)}/ is {part}" for name, part in sorted(parts.items())[:_N_NAMED])


def _join(names: Collection[str]) -> str:
    shown = ", ".join(cut(name, 50) for name in sorted(names, key=sort_naturally)[:_N_NAMED])
    return f"{shown}, ..." if len(names) > _N_NAMED else shown


def _explain_no_folders(listing: Listing) -> str:
    where = listing.where
    if not listing.entries:
        return (
            f"the source {where} holds no images; put one folder of images per class into it, or get "
            f"some with `darkroom demo digits`; {LAYOUTS}"
        )
    names = sorted(map(listing.name, listing.entries))
    if (archive := next(filter(is_archive, names), None)) and not listing.container.is_archive:
        return f"the source {where} holds {archive} and no class folders; set data.source to that file"
    return (
        f"the source {where} holds {len(names):,} files ({', '.join(names[:3])}, ...) but no class "
        f"folders; move them into one folder per class; {LAYOUTS}"
    )


def find_wrapper(entries: Collection[Entry], folders: frozenset[str], folder_links: Collection[str]) -> str:
    """The one folder, with "/", that holds folders with all of the source; "" if there is none.

    Notes and tables may lie in it beside the folders.
    """
    names = [f"{entry.name}/" if entry.name in folder_links else entry.name for entry in entries]
    tops = {name.partition("/")[0] for name in (*names, *folders)}
    if len(tops) != 1 or not names:
        return ""
    prefix = f"{tops.pop()}/"
    inside = [name.removeprefix(prefix) for name in names]
    is_deep = ["/" in name for name in inside]
    return prefix if any(is_deep) and all(map(_may_lie_loose, inside, is_deep)) else ""


def _may_lie_loose(name: str, is_deep: bool) -> bool:
    return is_deep or is_side_file(name)
