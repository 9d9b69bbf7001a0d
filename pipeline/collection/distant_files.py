"""Files of a source that a cluster reads and computes: their slices travel, not their bytes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeVar

from pipeline.errors import SourceError
from pipeline.images.computation import describe_machine
from pipeline.sources import Content, Record, Slice, Unread, cut_slice
from pipeline.workers.ray_map import Arrived, map_on_cluster

X = TypeVar("X")
Item = tuple[Unread | None, tuple[Any, ...]]


class Slices:
    """How items travel: those that are `unread` as slices of their source, others with their bytes.

    An item is what a function takes (bytes first), beside where these bytes lie if they are unread.
    """

    def pack(self, items: list[Item]) -> list[tuple[Slice | None, list[tuple[Any, ...]]]]:
        """Neighbours that lie in one container as one slice."""
        packed: list[tuple[Slice | None, list[tuple[Any, ...]]]] = []
        for _, group in groupby(items, key=lambda item: id(item[0].container) if item[0] else None):
            held = list(group)
            unread = [file for file, _ in held if file]
            packed.append((cut_slice(unread) if unread else None, [item for _, item in held]))
        return packed

    def unpack(
        self, packed: list[tuple[Slice | None, list[tuple[Any, ...]]]]
    ) -> list[tuple[tuple[Any, ...], Content | None]]:
        """What the function takes, with its bytes, and what reading gave, without them."""
        found: list[tuple[tuple[Any, ...], Content | None]] = []
        for piece, items in packed:
            if piece is None:
                found += [(item, None) for item in items]
                continue
            for item, content in zip(items, piece.read(), strict=True):
                found.append(((content.data, *item[1:]), replace(content, data=b"")))
        return found


def map_distant(
    function: Callable[[Any], Any],
    work: Iterable[tuple[tuple[Record | None, X], tuple[Any, ...]]],
    *,
    idle_bytes: int,
    **options: Any,
) -> Iterator[tuple[tuple[Record | None, X], Any]]:
    """As `ordered_map` of tickets (a record, anything) and items, on the cluster; records are then as read.

    Args:
        idle_bytes: what an item without bytes counts as.

    Raises:
        SourceError: a machine of the cluster cannot read what this one can.
        Exception: as `map_on_cluster`.
    """

    def count(item: Item) -> int:
        return item[0].entry.n_bytes if item[0] else len(item[1][0]) or idle_bytes

    items = (((ticket), (ticket[0].unread if ticket[0] else None, item)) for ticket, item in work)
    arrived = map_on_cluster(
        function, items, n_bytes=count, carrier=Slices(), describe=describe_machine, **options
    )
    for one in arrived:
        record, other = one.ticket
        if record is not None and record.unread is not None:
            record = _take_note(record, one, record.unread)
        yield (record, other), one.result


def _take_note(record: Record, arrived: Arrived[Any, Any], unread: Unread) -> Record:
    """A record as it was read."""
    read = check_reading(arrived, unread)
    if read.refusal is None:
        return replace(record, unread=None, stamp=read.stamp)
    return replace(record, unread=None, refusal=read.refusal, stamp=read.stamp)


def check_reading(arrived: Arrived[Any, Any], unread: Unread) -> Content:
    """What reading a file there gave. What could not be read is tried here: no other machine decides.

    Raises:
        SourceError: a machine of the cluster cannot read what this one can.
    """
    content: Content = arrived.note
    if content.refusal is None:
        return content
    (here,) = unread.container.read([unread.entry])
    if here.refusal is None:
        raise SourceError(
            f"the machine {arrived.host} of the Ray cluster cannot read {content.entry.name} in "
            f"{unread.container.where}, which this machine can: {content.refusal.detail}; every machine must "
            "find the same files at the same path, and be allowed to read them"
        )
    return here
