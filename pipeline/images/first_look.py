"""One decode of a file for two stages: what validate learns of it, and the picture that clean wants."""

from dataclasses import dataclass
from typing import Any

from pipeline.errors import ImageError
from pipeline.images import inspection
from pipeline.images.faults import limit_pixels
from pipeline.images.inspection import Inspection, look
from pipeline.images.picture import Developed, develop_seen
from pipeline.images.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Look:
    """What was learned of a file, and its picture where the same decode gives it."""

    inspection: Inspection
    developed: Developed | None = None

    @property
    def id(self) -> str:
        """The sha256 (hex) of the file's bytes."""
        return self.inspection.id


def look_item(item: tuple[bytes, str, bool], *, recipe: Recipe, **settings: Any) -> Look:
    """`inspect` of (bytes, name, whether a picture is wanted), as workers call it.

    Where a picture is wanted it is the one of `develop_item`. There is none of a file that is refused, or
    that the recipe decodes in another way.
    """
    data, name, is_wanted = item
    found, seen = look(data, name, **settings)
    if seen is None or not is_wanted:
        return Look(found)
    try:
        with limit_pixels(recipe.max_pixels):
            return Look(found, develop_seen(found.id, seen, recipe))
    except ImageError:
        return Look(found)  # clean finds the same, and says it


def give_up(item: tuple[bytes, str, bool], why: str) -> Look:
    """What is known of a file whose decoder crashed or took too long."""
    return Look(inspection.give_up(item[:2], why))
