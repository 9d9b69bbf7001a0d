"""Accuracy on sources that a network has not seen, all together and one by one, beside that on known ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.evidence.abstention import average_over
from pipeline.evidence.examination import Examination
from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.unseen import Unseen
from pipeline.tables.split import NAMED

Bools = npt.NDArray[np.bool_]

_MAX_ROWS = 200
_FEWEST, _FEW_SOURCES = 10, 2  # pictures of a source, and sources, of which none is called the worst


class Source(NamedTuple):
    """Answers about one source: by networks that have not seen it, and about its test pictures."""

    name: str
    classes: str
    n: int
    left_out: Interval
    n_tested: int
    tested: float


class Reached(NamedTuple):
    """The accuracy on left-out sources, its mean over sources, and that on test pictures of known sources.

    `guess` is what always answering the most common class would reach on the left-out ones.
    """

    left_out: Interval
    mean: float
    known: Interval
    guess: float

    @property
    def gap(self) -> float:
        """How much better it is on known sources."""
        return self.known.value - self.left_out.value


def measure_reached(examined: Examination, unseen: Unseen, confidence: float) -> Reached:
    """How often the model is right on left-out sources, and on test pictures of the same sources.

    Where no source has a name, all pictures count as left out.
    """
    asked = unseen.is_named if unseen.has_sources else np.ones(len(unseen.groups), np.bool_)
    is_right = unseen.is_right[asked]
    _, groups = np.unique(unseen.groups[asked], return_inverse=True)
    left_out = bound_share(is_right.astype(np.float64), groups, confidence=confidence)
    counts = np.bincount(unseen.y_true[asked], minlength=1)
    is_known = np.isin(name_tested(examined), list_named(unseen))
    known = bound_share(
        examined.is_right[is_known].astype(np.float64), examined.groups[is_known], confidence=confidence
    )
    guess = float(counts.max() / max(1, counts.sum()))
    return Reached(left_out, average_over(groups, is_right), known, guess)


def name_tested(examined: Examination) -> npt.NDArray[np.str_]:
    """The group of each test picture [n] that no fold divides."""
    return np.array(examined.test.fold_group or examined.test.ids, dtype=str)


def list_named(unseen: Unseen) -> npt.NDArray[np.str_]:
    """The groups that have a name, each once."""
    return np.unique(unseen.groups[unseen.is_named])


def list_sources(examined: Examination, unseen: Unseen, confidence: float) -> list[Source]:
    """The sources with a name that are answered worst, at most as many as the page shows."""
    is_right, tested_group = unseen.is_right, name_tested(examined)
    names, duplicates = examined.class_names, np.array(unseen.part.duplicate_group or unseen.part.ids)
    found = []
    for name in _choose_worst(unseen, is_right):
        own, tested = unseen.groups == name, tested_group == name
        groups = np.unique(duplicates[own], return_inverse=True)[1]
        left_out = bound_share(is_right[own].astype(np.float64), groups, confidence=confidence)
        classes = ", ".join(names[c] for c in np.unique(unseen.y_true[own]))
        right = float(examined.is_right[tested].mean()) if tested.any() else np.nan
        called = name.removeprefix(NAMED) or "without a name"
        found.append(Source(called, classes, int(own.sum()), left_out, int(tested.sum()), right))
    return found


def _choose_worst(unseen: Unseen, is_right: Bools) -> list[str]:
    names, group_of = np.unique(unseen.groups[unseen.is_named], return_inverse=True)
    share = np.bincount(group_of, weights=is_right[unseen.is_named]) / np.bincount(group_of)
    return [str(names[i]) for i in np.argsort(share, kind="stable")[:_MAX_ROWS]]


def find_worst(sources: Sequence[Source]) -> Source | None:
    """The source that is answered worst, of those with enough pictures; None of fewer than three."""
    large = [one for one in sources if one.n >= _FEWEST]
    return min(large, key=lambda one: one.left_out.value) if len(large) > _FEW_SOURCES else None
