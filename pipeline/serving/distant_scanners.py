"""Files decoded on the machines of a cluster, which read for themselves what can be read elsewhere."""

import functools
from collections.abc import Generator, Iterable
from typing import NamedTuple, Self, TypeVar

from pipeline.collection.distant_files import Slices, check_reading
from pipeline.images.computation import describe_machine
from pipeline.images.framing import Framing
from pipeline.images.recipe import Recipe
from pipeline.images.scanning import Scanned, give_up, scan_item
from pipeline.serving.decoding import MAX_SECONDS
from pipeline.sources import Unread
from pipeline.workers.cluster import check_cluster
from pipeline.workers.ray_map import map_on_cluster

K = TypeVar("K")
Item = tuple[bytes, bool]


class Found(NamedTuple):
    """What became of a file, and whether there were bytes to decode."""

    scanned: Scanned
    is_read: bool


class DistantScanners:
    """In place of the worker processes of `decoding.make_scanners`; made before Keras is imported."""

    def __init__(self, recipe: Recipe, *, framing: Framing | None = None) -> None:
        self._function = functools.partial(scan_item, recipe=recipe, framing=framing)
        describe_machine()  # loads Pillow with its own zlib; behind TensorFlow it would find another one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Raise WorkersError if the cluster is away."""
        check_cluster()

    def map(
        self, items: Iterable[tuple[tuple[K, Unread | None], Item]]
    ) -> Generator[tuple[K, Found], None, None]:
        """A ticket and what became of it for each item, in their order.

        Args:
            items: with a ticket, and where the bytes of the item lie if it has none.

        Raises:
            SourceError: a machine cannot read what this one can.
            Exception: as `map_on_cluster`.
        """
        sent = ((ticket, (ticket[1], item)) for ticket, item in items)
        arrived = map_on_cluster(
            self._function,
            sent,
            n_bytes=_count_bytes,
            max_seconds=MAX_SECONDS,
            lost=give_up,
            carrier=Slices(),
            describe=describe_machine,
        )
        for one in arrived:
            ticket, unread = one.ticket
            read = check_reading(one, unread) if unread else None
            if read and read.refusal:
                yield ticket, Found(Scanned(refusal=read.refusal), is_read=False)
            else:
                yield ticket, Found(one.result, is_read=True)


def _count_bytes(item: tuple[Unread | None, Item]) -> int:
    return item[0].entry.n_bytes if item[0] else len(item[1][0])
