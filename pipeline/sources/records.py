"""What a source of any kind gives: a stream of records, and the names of its classes."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from pipeline.refusals import Refusal
from pipeline.sources.containers import Container, Entry, Recall, Unread
from pipeline.sources.urls import Place


@dataclass(frozen=True, slots=True)
class Record:
    """A raw image file, or a reason why it cannot be read.

    `key` is its path inside the source. `label` is its class, or "", and `unlabelled` then says why.
    `source_split` is train | val | test | "", as the source says, or learn (`labels.LEARN`). `data` is its
    bytes as found, empty if there is a `refusal`. `stamp`, `id` and `unread` are as of
    `containers.Content`: bytes with an `id`, or that are `unread`, were not read.
    """

    key: str
    label: str
    source_split: str
    data: bytes
    refusal: Refusal | None = None
    unlabelled: str = "the file lies in no class folder"
    stamp: str = ""
    id: str = ""
    unread: Unread | None = None


@dataclass(frozen=True)
class Source:
    """A collection of raw images, listed but not read.

    `labels` holds every class in natural order, even those without a file. `declared_formats` names the
    Pillow formats that the source itself makes (pixel tables come as PGM), which must then be allowed too.
    `list_keys` gives key and label of every record, where that takes no reading. `stream_unknown` is `stream`
    that does not read what is known, where each record is a file of its own. `notes` say what lies there
    and is not used, such as a table of labels beside class folders. `n_waiting` is how many pictures beside
    the source wait for a label.
    """

    where: Place
    labels: tuple[str, ...]
    n_records: int
    n_ignored: int
    declared_formats: tuple[str, ...]
    stream: Callable[[], Iterator[Record]] = field(repr=False)
    pick: Callable[[Collection[str]], Iterator[Record]] | None = field(default=None, repr=False)
    list_keys: Callable[[], Iterator[tuple[str, str]]] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    n_waiting: int = 0
    stream_unknown: Callable[[Recall], Iterator[Record]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.n_records

    def drop_files(self) -> "Source":
        """The same without its files, which take 0.3 kB each: nothing is left to stream."""
        return replace(self, stream=lambda: iter(()), pick=None, list_keys=None, stream_unknown=None)

    def stream_records(self, recall: Recall | None = None) -> Iterator[Record]:
        """All records, one in memory at a time, in the order that is cheapest to read.

        Args:
            recall: what it knows by a stamp need not be read; such a record has an id in place of bytes.

        Raises:
            SourceError: the source as a whole is damaged.
        """
        return self.stream_unknown(recall) if recall and self.stream_unknown else self.stream()

    def pick_records(self, keys: Collection[str]) -> Iterator[Record]:
        """The records of some keys; if each record is a file of its own, no other file is read.

        Raises:
            SourceError: the source as a whole is damaged.
        """
        if self.pick:
            return self.pick(keys)
        return (record for record in self.stream() if record.key in keys)


@dataclass(frozen=True)
class Listing:
    """A container without what is ignored, below `prefix` (a wrapper folder, or "").

    `folder_links` are names of entries that are links to folders, not followed.
    """

    container: Container
    entries: list[Entry]
    folders: frozenset[str]
    prefix: str
    n_ignored: int
    folder_links: frozenset[str] = frozenset()

    @property
    def where(self) -> Place:
        """Where the source lies."""
        return self.container.where

    def name(self, entry: Entry) -> str:
        """The name of an entry below `prefix`: the key of its record."""
        return entry.name.removeprefix(self.prefix)
