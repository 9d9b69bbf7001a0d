"""What a synthesis is asked for: a class, and the training pictures of it."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.collection.pictures import Part, Pictures, read_part
from pipeline.collection.synthetic import name_class
from pipeline.errors import DataError, nearest, quote_value
from pipeline.labels import read_class_names
from pipeline.paths import Paths

MIN_PICTURES = 8
_N_NAMED = 8


@dataclass(frozen=True)
class Request:
    """A class, its position among the classes, and its training pictures."""

    class_name: str
    class_index: int
    part: Part
    pictures: Pictures

    @property
    def slug(self) -> str:
        """The name of the class in names of files."""
        return name_class(self.class_name)

    def hash_pictures(self) -> str:
        """A hash of the pixels of all pictures, in their order."""
        hashed = hashlib.sha256(repr(self.pictures.picture_shape).encode())
        for index in np.array_split(np.arange(len(self.pictures)), -(-len(self.pictures) // 1024)):
            hashed.update(self.pictures.gather(index).tobytes())
        return hashed.hexdigest()


def ask(paths: Paths, class_name: str) -> Request:
    """The training pictures of a class; those of val and test are never seen.

    Raises:
        DataError: nothing has been split yet, there is no such class, or it has too few pictures.
    """
    class_names = read_class_names(paths.classes)
    if class_name not in class_names:
        known = ", ".join(class_names[:_N_NAMED]) + (", ..." if len(class_names) > _N_NAMED else "")
        hint = nearest(class_name, class_names, n=1)
        raise DataError(f"there is no class {quote_value(class_name)}{hint}; the classes are {known}")
    index = class_names.index(class_name)
    train = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    chosen = np.flatnonzero(train.y == index)
    ids = tuple(train.ids[i] for i in chosen)
    part = Part(ids, train.shard[chosen], train.row[chosen], train.y[chosen])
    if len(part) < MIN_PICTURES:
        raise DataError(
            f"{class_name} has {len(part)} training pictures, and a generator needs at least {MIN_PICTURES}; "
            "add pictures, or fill the class up with altered copies: augment.fill_rare_to"
        )
    return Request(class_name, index, part, Pictures((paths.shards, part)))
