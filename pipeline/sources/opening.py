"""Opening a place by its kind: a folder, an archive, or a single file."""

from pipeline.errors import SourceError
from pipeline.sources.containers import DAMAGED, Container, summarise
from pipeline.sources.disk import list_folder, wrap_file
from pipeline.sources.names import is_tar
from pipeline.sources.object_store import list_prefix
from pipeline.sources.tars import list_tar
from pipeline.sources.urls import Place, Url
from pipeline.sources.zips import list_zip


def open_container(path: Place, *, follow_links: bool = False) -> Container:
    """The files of a folder, a .zip or a .tar(.gz); any other file is a container of itself.

    In an object store, what is no archive by its name is a prefix.

    `follow_links`: see `list_folder`.

    Raises:
        SourceError: it is damaged, or cannot be listed.
    """
    name = path.name.lower()
    try:
        if path.is_dir():
            return (
                list_prefix(path) if isinstance(path, Url) else list_folder(path, follow_links=follow_links)
            )
        if name.endswith(".zip"):
            return list_zip(path)
        if isinstance(path, Url) or is_tar(name):
            return list_tar(path)
        return wrap_file(path)
    except DAMAGED as error:
        raise SourceError(
            f"the source {path} cannot be read: {summarise(error)}; get a complete copy"
        ) from None
