"""Opening a place by its kind: a folder, an archive, or a single file."""

from pathlib import Path

from pipeline.errors import SourceError
from pipeline.sources.containers import DAMAGED, Container, summarise
from pipeline.sources.disk import list_folder, wrap_file
from pipeline.sources.names import is_tar
from pipeline.sources.tars import list_tar
from pipeline.sources.zips import list_zip


def open_container(path: Path, *, follow_links: bool = False) -> Container:
    """The files of a folder, a .zip or a .tar(.gz); any other file is a container of itself.

    `follow_links`: see `list_folder`.

    Raises:
        SourceError: it is damaged, or cannot be listed.
    """
    name = path.name.lower()
    try:
        if path.is_dir():
            return list_folder(path, follow_links=follow_links)
        if name.endswith(".zip"):
            return list_zip(path)
        return list_tar(path) if is_tar(name) else wrap_file(path)
    except DAMAGED as error:
        raise SourceError(
            f"the source {path} cannot be read: {summarise(error)}; get a complete copy"
        ) from None
