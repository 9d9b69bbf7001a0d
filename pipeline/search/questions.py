"""What cross-validation is asked: which pictures, in which folds."""

from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt
import pandas as pd

from pipeline.collection.groups import merge_groups
from pipeline.collection.pictures import Ints, Part, read_parts
from pipeline.errors import DataError
from pipeline.labels import read_class_names
from pipeline.paths import Paths
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.parquet import read_table
from pipeline.training.folds import deal_folds


@dataclass(frozen=True)
class Question:
    """Which pictures are cut into which folds.

    Attributes:
        part: the pictures; `part.group` is what no fold divides.
        keys: their paths in the source.
        fold: the number of the fold that tests each [n], from 0.
    """

    part: Part
    keys: tuple[str, ...]
    class_names: tuple[str, ...]
    fold: Ints

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1


def ask(paths: Paths, *, n_folds: int, pattern: str, with_test: bool) -> Question:
    """Cut the training and validation pictures into folds.

    Args:
        pattern: a regular expression as `split.group_by`; no fold divides what it names alike. "": what the
            split holds together.
        with_test: cut the test pictures too. Whoever then chooses settings has no test set left.

    Raises:
        DataError: a class has fewer groups than there are folds.
    """
    names = ("train", "val", "test") if with_test else ("train", "val")
    part = read_parts(*names, split_path=paths.split, manifest_path=paths.clean_manifest)
    class_names = read_class_names(paths.classes)
    clean = read_table(paths.clean_manifest, CLEAN_MANIFEST).select(["id", "key"]).to_pandas()
    keys = clean.set_index("id")["key"].loc[list(part.ids)]
    held = pd.Series(part.group or part.ids, index=keys.index, dtype="str")
    group = merge_groups(keys, held, pattern)
    _check_enough(part.y, group.to_numpy(), class_names, n_folds)
    fold = deal_folds(part.y, group.to_numpy(), n_folds)
    return Question(replace(part, group=tuple(group)), tuple(keys), class_names, fold)


def _check_enough(y: Ints, groups: npt.NDArray[Any], class_names: tuple[str, ...], n_folds: int) -> None:
    """Raise DataError unless every class has a group for each fold."""
    n_groups = {name: len(set(groups[y == index])) for index, name in enumerate(class_names)}
    few = {name: n for name, n in n_groups.items() if n < n_folds}
    if few:
        said = ", ".join(f"{name} {n}" for name, n in list(few.items())[:5])
        raise DataError(
            f"{n_folds} folds need {n_folds} groups of pictures that belong together in every class, and "
            f"there are fewer: {said}; take fewer folds, add pictures, or name groups more narrowly"
        )
