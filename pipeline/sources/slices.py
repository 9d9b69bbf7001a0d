"""A slice of a source: some of its files as a value that travels, read where it arrives.

Folders, zips and prefixes of an object store can be cut (`Container.can_travel`). Tars cannot, since a tar is
read from its start, nor can tables of pixels and Parquet: their bytes are read by whoever streams the source.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import SourceError
from pipeline.sources.containers import Container, Content, Unread


@dataclass(frozen=True)
class Slice:
    """Files of one container, in the order in which it reads them; it can be pickled."""

    container: Container

    def read(self) -> list[Content]:
        """The bytes of all files, in their order, or why a file has none.

        Raises:
            SourceError: the container is not on this machine, or is damaged.
        """
        where = self.container.where
        if not where.exists():
            raise SourceError(
                f"{where} is not there on {platform.node()}; every machine of the cluster must find the "
                "files at the same path: share the folder, or take the machine out with `ray stop`"
            )
        found = list(self.container.read(self.container.entries))
        if [one.entry.name for one in found] != [entry.name for entry in self.container.entries]:
            raise RuntimeError(f"{where} gives the files of a slice in another order; this is a bug")
        return found


def cut_slice(files: Sequence[Unread]) -> Slice:
    """The slice of some files of one container, in the order in which the container gave them."""
    return Slice(files[0].container.take([file.entry for file in files]))
