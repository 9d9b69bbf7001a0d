"""What validate's one decode of a file gives: facts for itself, and the picture that clean will want.

Clean finds the picture in the store of results, and does not decode the file again. Pictures take at most
half of the store, so that the facts of all files stay in it. Without the store clean decodes every file.
"""

from typing import Any

from pipeline.collection.known_files import KnownFiles
from pipeline.collection.known_inspections import KnownInspections
from pipeline.collection.known_pictures import PLAIN, KnownPictures
from pipeline.images.first_look import Look
from pipeline.images.recipe import Recipe
from pipeline.sources import Record

_SHARE = 0.5  # of the store


class KnownLooks:
    """First looks at files; a `known_files.Book`.

    Args:
        settings: of `inspection.look`.
        recipe: of clean, as far as params say it.
    """

    def __init__(self, known: KnownFiles, settings: dict[str, Any], recipe: Recipe) -> None:
        self._facts = KnownInspections(known, settings)
        self._pictures = KnownPictures(known, recipe, lambda _: True)
        self._bytes_left = int(_SHARE * known.store.limit) if {*recipe.formats} <= PLAIN else 0
        self.is_empty = self._facts.is_empty

    @property
    def wants_pictures(self) -> bool:
        """Whether there is still room for the pictures of files."""
        return self._bytes_left > 0

    def find(self, record: Record, image_id: str) -> Look | None:
        """What is known of a file: its facts; its picture is left to clean."""
        found = self._facts.find(record, image_id)
        return Look(found) if found else None

    def keep(self, record: Record, result: Look) -> None:
        """Keep the facts of a file, and its picture."""
        self._facts.keep(record, result.inspection)
        if record.refusal is None and result.developed is not None:
            self._bytes_left -= self._pictures.keep(record, result.developed)
