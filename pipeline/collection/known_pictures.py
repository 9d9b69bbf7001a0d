"""What clean made of files, as bytes in the store of results: picture, fingerprint and repairs."""

import json
import struct
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.collection.known_files import KnownFiles
from pipeline.images.computation import hash_computation
from pipeline.images.depths import GUESSED
from pipeline.images.fingerprint import Fingerprint
from pipeline.images.picture import Developed, Wanted
from pipeline.images.recipe import Recipe
from pipeline.sources import Record

# Each begins with bytes of its own and states one size, so what lies beside a file does not matter to it.
PLAIN = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"})
_HEAD = struct.Struct("<32sBI")  # PDQ, its quality, the length of the JSON; then JSON, views, pixels


class KnownPictures:
    """Developed pictures of files; a `known_files.Book`. Files without a picture are tried each time.

    Args:
        find_wanted: what is wanted of the file of a key; thumbnails, which are few, are made each time.
    """

    def __init__(self, known: KnownFiles, recipe: Recipe, find_wanted: Callable[[str], Wanted]) -> None:
        fixed = (recipe.image_hw, recipe.channels, recipe.fit, recipe.resample, recipe.equalise)
        rest = () if {*recipe.formats} <= PLAIN else (recipe.formats, recipe.max_pixels)
        code = hash_computation()
        own = known.store.shelf("picture", code, (*fixed, recipe.scales), rest)
        # What needs no scale is found there also when other files of the collection need one.
        plain = known.store.shelf("picture", code, (*fixed, ()), rest)
        self._shelves = [own, plain] if recipe.scales else [own]
        self._has_scales = bool(recipe.scales)
        self._find_wanted, self._shape = find_wanted, recipe.picture_shape
        self.is_empty = all(shelf.is_empty for shelf in self._shelves)

    def find(self, record: Record, image_id: str) -> Developed | None:
        """The picture of a file, or its id alone where no more is wanted."""
        wanted = self._find_wanted(record.key)
        if not wanted:
            return Developed(image_id)
        bodies = (shelf.find(image_id) for shelf in self._shelves) if wanted is True else ()
        body = next(filter(None, bodies), None)
        return _read_developed(image_id, body, self._shape) if body else None

    def keep(self, record: Record, result: Developed) -> int:
        """Keep a picture, if no other file of the collection has a say in it; returns its size in bytes."""
        is_alone = not self._has_scales and GUESSED in result.repairs  # an animation, which validate refused
        if result.picture is None or result.fingerprint is None or result.is_heavy or is_alone:
            return 0
        body = _write_developed(result.picture, result.fingerprint, result.repairs)
        self._shelves[0].put(result.id, body)
        return len(body)


def _write_developed(picture: NDArray[np.uint8], found: Fingerprint, repairs: Sequence[str]) -> bytes:
    words = json.dumps([repairs, len(found.views)]).encode()
    head = _HEAD.pack(found.pdq, found.quality, len(words))
    return b"".join((head, words, found.views, picture.tobytes()))


def _read_developed(image_id: str, body: bytes, shape: tuple[int, int, int]) -> Developed:
    pdq, quality, n_words = _HEAD.unpack_from(body)
    repairs, n_views = json.loads(body[_HEAD.size : _HEAD.size + n_words])
    rest = body[_HEAD.size + n_words :]
    picture = np.frombuffer(rest, np.uint8, offset=n_views).reshape(shape)
    fingerprint = Fingerprint(pdq, quality, rest[:n_views])
    return Developed(image_id, picture, fingerprint=fingerprint, repairs=tuple(repairs))
