"""Every planned file of a source as its picture: developed by workers, or known from an earlier run."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from pipeline.collection.contact_sheets import choose_thumbnails
from pipeline.collection.file_plan import File
from pipeline.collection.known_files import KnownFiles, Task, count_per_answer, map_files
from pipeline.collection.known_pictures import KnownPictures
from pipeline.errors import SourceError
from pipeline.images.picture import Developed, Wanted, develop_item, give_up
from pipeline.images.recipe import Recipe
from pipeline.sources import Record, Source


class Work(NamedTuple):
    """What workers need to know: the recipe, whether an animation is its first frame, the time per file."""

    recipe: Recipe
    first_frame: bool
    max_seconds: float


def develop_files(
    files: Mapping[str, File], source: Source, work: Work, known: KnownFiles
) -> Iterator[tuple[Record, Developed]]:
    """Each record of the source, without its bytes, with what workers made of it, or an earlier run.

    `known` is open.

    Raises:
        SourceError: a file is new since validate, or the source as a whole is damaged.
    """
    shown = choose_thumbnails(files.values())

    def find_wanted(key: str) -> Wanted:
        if key not in files:
            raise report_change(f"{key} is new")
        return "thumbnail" if key in shown else files[key].at >= 0

    task: Task[tuple[bytes, Wanted]] = Task(
        partial(develop_item, recipe=work.recipe, first_frame=work.first_frame),
        lambda record: (record.data, find_wanted(record.key)),
        (b"", False),
        chunk_items=count_per_answer(math.prod(work.recipe.picture_shape)),
        max_seconds=work.max_seconds,
        lost=give_up,
    )
    yield from map_files(source, task, KnownPictures(known, work.recipe, find_wanted), known)


def report_change(what: str) -> SourceError:
    """The error of a source that is not what validate saw."""
    return SourceError(
        f"the source has changed since validate: {what}; run `dvc repro -f validate`, then `dvc repro`"
    )
