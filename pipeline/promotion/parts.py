"""No part left behind: whether a model is worse for a class, or for a slice of the test pictures.

Each part has McNemar's exact test, one-sided: how often luck alone loses so many of its groups. Holm (1979)
adjusts over all parts together. The level is all of alpha at each decision: this is a brake, and a brake does
not wear out with the test set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.characters import cut
from pipeline.evidence.paired_groups import Pair, compute_gain_p, count_groups
from pipeline.evidence.several_tests import adjust_holm
from pipeline.evidence.slices import Fact, cut_fact

MIN_GROUPS = 20  # of a part; fewer are not tested
NEW_SOURCES = "sources that were not learned from"
_MAX_NAME = 40  # characters of a class, or of a value


@dataclass(frozen=True)
class Part:
    """A class or a slice: its groups of near-duplicates, how many of them were won and lost, and how sure.

    Attributes:
        p, adjusted: how often luck alone loses so many, and the same adjusted over all parts.
    """

    name: str
    n: int
    won: int
    lost: int
    p: float
    adjusted: float = np.nan

    def describe(self) -> str:
        """In words, with the numbers."""
        return f"{self.name} (of {self.n}, {self.lost} lost and {self.won} won, p {self.adjusted:.2g})"


def compare_parts(
    pair: Pair, class_names: Sequence[str], facts: Sequence[Fact], new_sources: Pair | None = None
) -> list[Part]:
    """All parts that are large enough: sources that were not learned from, classes, slices.

    Args:
        pair: the challenger first, the champion second.
        facts: of the same pictures, by which slices are cut.
        new_sources: both models on sources that they had not seen, a group each. However few sources there
            are, the test is exact.
    """
    found = []
    if new_sources is not None:
        n, won, lost = count_groups(new_sources)
        found.append(Part(NEW_SOURCES, n, won, lost, compute_gain_p(lost, won)))
    for name, chosen in _list_parts(pair, class_names, facts):
        n, won, lost = count_groups(pair.choose(chosen))
        if n >= MIN_GROUPS:
            found.append(Part(name, n, won, lost, compute_gain_p(lost, won)))
    adjusted = adjust_holm([one.p for one in found])
    return [replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def find_losses(parts: Sequence[Part], alpha: float) -> list[Part]:
    """The parts that are worse by more than luck, the surest first."""
    return sorted((one for one in parts if one.adjusted < alpha), key=lambda one: one.adjusted)


def _list_parts(
    pair: Pair, class_names: Sequence[str], facts: Sequence[Fact]
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for number, name in enumerate(class_names):
        yield f"class {cut(name, _MAX_NAME)!r}", pair.y_true == number
    for fact in facts:
        for value, chosen in cut_fact(fact):
            yield f"{fact.name} {cut(value, _MAX_NAME)!r}", chosen
