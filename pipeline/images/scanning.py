"""One pass over an image file that is to be answered: its picture, and the facts of file and picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images.faults import limit_pixels
from pipeline.images.framing import Framing, frame
from pipeline.images.inspection import read_facts
from pipeline.images.measures import measure_residues
from pipeline.images.picture import decode_whole, develop, fit_whole
from pipeline.images.reading import open_image
from pipeline.images.recipe import Recipe
from pipeline.refusals import Refusal

_SIDE_PX = 512  # of a picture whose object is looked for, at least


@dataclass(frozen=True, slots=True)
class Scanned:
    """A picture [height, width, channels] and facts by their names in `facts.FACTS`; or why there is none."""

    picture: NDArray[np.uint8] | None = None
    facts: dict[str, Any] | None = None
    refusal: Refusal | None = None


def scan(data: bytes, *, recipe: Recipe, framing: Framing | None = None, with_facts: bool = True) -> Scanned:
    """The picture of an encoded image as the clean stage makes it, or made alike; and its facts.

    Facts of the file are those of its header. Measures are of the picture as the network sees it.
    """
    try:
        picture = develop(data, recipe) if framing is None else develop_alike(data, recipe, framing)
        if not with_facts:
            return Scanned(picture)
        with limit_pixels(recipe.max_pixels):
            facts = read_facts(open_image(data, recipe.formats, recipe.max_pixels))
    except ImageError as error:
        return Scanned(refusal=error.refusal)
    except MemoryError:
        return Scanned(refusal=Refusal("unreadable", "there is not enough memory to decode it"))
    known = {"n_bytes": len(data), "aspect": facts["width"] / facts["height"]}
    return Scanned(picture, facts | known | measure_residues(picture))


def develop_alike(data: bytes, recipe: Recipe, framing: Framing) -> NDArray[np.uint8]:
    """The picture of an encoded image, made like those of the training. Raises ImageError."""
    if framing.content is None:
        return frame(develop(data, recipe), framing)
    side_px = max(_SIDE_PX, 2 * max(recipe.image_hw))
    return fit_whole(frame(decode_whole(data, recipe, side_px=side_px), framing), recipe)


def scan_item(item: tuple[bytes, bool], *, recipe: Recipe, framing: Framing | None = None) -> Scanned:
    """`scan` of an item (bytes, whether its facts are wanted), as workers call it."""
    return scan(item[0], recipe=recipe, framing=framing, with_facts=item[1])


def give_up(_: tuple[bytes, bool], why: str) -> Scanned:
    """What is known of a file whose decoder crashed or took too long."""
    return Scanned(refusal=Refusal("unreadable", why))
