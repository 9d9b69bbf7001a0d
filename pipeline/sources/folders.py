"""The layout "a folder per class", and the source's own split above it."""

from collections.abc import Collection, Iterable, Iterator

from pipeline.errors import SourceError
from pipeline.labels import sort_naturally
from pipeline.sources.containers import LAYOUTS, Entry
from pipeline.sources.records import SPLITS, Listing, Record, Source


def read_class_folders(listing: Listing) -> Source:
    """Records labelled by their first folder; deeper folders are part of the key.

    If the top level is train/ and at least one of val/ and test/, the class is the folder below.

    Raises:
        SourceError: there is no file, no class folder, or split folders lie beside others.
    """
    has_split = _has_own_split(listing)
    found = {label for folder in _list_folders(listing) if (label := _locate(folder, has_split)[0])}
    labels = tuple(sorted(found, key=sort_naturally))
    if not labels:
        raise SourceError(_explain_no_folders(listing))
    if not listing.entries:
        raise SourceError(
            f"the source {listing.where} has the class folders {', '.join(labels)} but no file in any; "
            "put images into them"
        )

    def read(entries: Iterable[Entry]) -> Iterator[Record]:
        for content in listing.container.read(entries):
            key = listing.name(content.entry)
            label, split = _locate(key.rpartition("/")[0], has_split)
            yield Record(key, label, split, content.data, content.refusal)

    def stream() -> Iterator[Record]:
        return read(listing.entries)

    def pick(keys: Collection[str]) -> Iterator[Record]:
        return read(entry for entry in listing.entries if listing.name(entry) in keys)

    return Source(listing.where, labels, len(listing.entries), listing.n_ignored, (), stream, pick)


def _list_folders(listing: Listing) -> set[str]:
    return {listing.name(entry).rpartition("/")[0] for entry in listing.entries} | listing.folders


def _locate(folder: str, has_split: bool) -> tuple[str, str]:
    """(label, source_split) of what lies in a folder."""
    first, _, rest = folder.partition("/")
    if not has_split:
        return first, ""
    return rest.partition("/")[0], SPLITS.get(first.lower(), "")


def _has_own_split(listing: Listing) -> bool:
    tops = {folder.partition("/")[0] for folder in _list_folders(listing)} - {""}
    splits = {SPLITS[top.lower()] for top in tops if top.lower() in SPLITS}
    if "train" not in splits or len(splits) == 1:
        return False
    others = sorted(top for top in tops if top.lower() not in SPLITS)
    if others:
        raise SourceError(
            f"the source {listing.where} has split folders (train, val, test) beside others: "
            f"{', '.join(others[:5])}; keep to one kind, or leave some out with data.ignore"
        )
    return True


def _explain_no_folders(listing: Listing) -> str:
    where = listing.where
    if not listing.entries:
        return (
            f"the source {where} holds no images; put one folder of images per class into it, or get "
            f"some with `darkroom demo digits`; {LAYOUTS}"
        )
    names = sorted(map(listing.name, listing.entries))
    if (archive := next(filter(_is_archive, names), None)) and not listing.container.is_archive:
        return f"the source {where} holds {archive} and no class folders; set data.source to that file"
    return (
        f"the source {where} holds {len(names):,} files ({', '.join(names[:3])}, ...) but no class "
        f"folders; move them into one folder per class; {LAYOUTS}"
    )


def _is_archive(name: str) -> bool:
    return name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))


def find_wrapper(entries: list[Entry], folders: frozenset[str]) -> str:
    """The one folder, with "/", that holds all of an archive in sub-folders; "" if there is none."""
    names = [entry.name for entry in entries]
    tops = {name.partition("/")[0] for name in (*names, *folders)}
    if len(tops) != 1 or not names:
        return ""
    prefix = f"{tops.pop()}/"
    return prefix if all("/" in name.removeprefix(prefix) for name in names) else ""
