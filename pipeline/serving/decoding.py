"""Encoded images into pictures, in worker processes: a file that crashes or stalls its decoder costs itself.

This module is what a worker imports, so it holds nothing heavy.
"""

import functools

import numpy as np
import numpy.typing as npt

from pipeline.errors import ImageError
from pipeline.images.framing import Framing
from pipeline.images.picture import Developed, develop, develop_item, give_up
from pipeline.images.recipe import Recipe
from pipeline.images.scanning import Scanned, scan_item
from pipeline.images.scanning import give_up as give_up_scan
from pipeline.refusals import Refusal
from pipeline.workers import Crew

# Of computing time for one file: twice the default of validate.max_seconds_per_file. It is no setting of the
# model, since it depends on the machine. A file is tried twice, and MLflow's server answers within 60 s.
MAX_SECONDS = 10.0

Picture = npt.NDArray[np.uint8]
Decoders = Crew[bytes, Picture | Refusal]
Developers = Crew[bytes, Developed]
Scanners = Crew[tuple[bytes, bool], Scanned]


def make_decoders(recipe: Recipe) -> Decoders:
    """Workers that develop encoded images, or say why not; they start with the first image."""
    function = functools.partial(develop_or_refuse, recipe=recipe)
    return Crew(function, max_seconds=MAX_SECONDS, lost=_give_up)


def develop_or_refuse(encoded: bytes, *, recipe: Recipe) -> Picture | Refusal:
    """The picture [height, width, channels] of an encoded image, as in the clean stage; or why not."""
    try:
        return develop(encoded, recipe)
    except ImageError as error:
        return error.refusal
    except MemoryError:
        return Refusal("unreadable", "there is not enough memory to decode it")


def _give_up(_: bytes, why: str) -> Refusal:
    return Refusal("unreadable", why)


def make_developers(recipe: Recipe) -> Developers:
    """As `make_decoders`, for pictures with their fingerprints."""
    return Crew(functools.partial(develop_whole, recipe=recipe), max_seconds=MAX_SECONDS, lost=_give_up_whole)


def develop_whole(encoded: bytes, *, recipe: Recipe) -> Developed:
    """Id, picture and fingerprint of an encoded image, as in the clean stage; or why not."""
    try:
        return develop_item((encoded, True), recipe=recipe)
    except MemoryError:
        return _give_up_whole(encoded, "there is not enough memory to decode it")


def _give_up_whole(encoded: bytes, why: str) -> Developed:
    return give_up((encoded, True), why)


def make_scanners(recipe: Recipe, *, framing: Framing | None = None) -> Scanners:
    """As `make_decoders`, for pictures that may be made alike, with facts where these are wanted."""
    function = functools.partial(scan_item, recipe=recipe, framing=framing)
    return Crew(function, max_seconds=MAX_SECONDS, lost=give_up_scan)
