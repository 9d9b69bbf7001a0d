"""How often a test set may decide: what is left of alpha after each decision.

Whoever asks one test set again and again is told of a better model by luck in the end. So the k-th decision
is made at the level alpha / (k (k + 1)). These levels add up to alpha, however many decisions there are. So
the chance that luck ever makes a champion is at most alpha (the union bound). This is alpha-spending, as in
Foster and Stine (2008), "Alpha-investing: a procedure for sequential control of expected false discoveries",
JRSS B 70, and Tian and Ramdas (2021), "Online control of the familywise error rate", Statistical Methods in
Medical Research 30.

The bound knows of verdicts only. Whoever looks at the test pictures, and changes the model for them, is not
covered: only new test pictures help.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

N_SKETCHED = 64  # hashes that stand for a test set: shares are told to about 6 points
_N_CHARACTERS = 12  # of a hash
_SAME = 0.5  # a test set was asked before if more of it was


@dataclass(frozen=True)
class Budget:
    """The place of a decision among those of its test set, from 1, and the alpha of all of them together."""

    alpha: float
    number: int

    @property
    def level(self) -> float:
        """The level of this decision, one-sided."""
        return self.alpha / (self.number * (self.number + 1))

    @property
    def left(self) -> float:
        """What is left of alpha after this decision."""
        return self.alpha / (self.number + 1)


@dataclass(frozen=True)
class Use:
    """A decision that a test set made.

    Attributes:
        challenger, champion: the md5 of each model.
        test: the smallest hashes of the ids of its pictures (`sketch_ids`).
    """

    challenger: str
    champion: str
    test: tuple[str, ...]

    def as_text(self) -> str:
        """As JSON, of at most 2,000 characters: a tag of MLflow."""
        return json.dumps({"challenger": self.challenger, "champion": self.champion, "test": self.test})

    @classmethod
    def from_text(cls, text: str) -> "Use | None":
        """A use as it was written; None if it is none."""
        try:
            found = json.loads(text)
            return cls(str(found["challenger"]), str(found["champion"]), tuple(map(str, found["test"])))
        except (ValueError, TypeError, LookupError):
            return None


def sketch_ids(ids: Iterable[str]) -> tuple[str, ...]:
    """What stands for a set of pictures: the smallest hashes of their ids (a sketch as in Broder 1997)."""
    return tuple(_hash_ids(ids)[:N_SKETCHED])


def share_of(ids: Iterable[str], sketch: Sequence[str]) -> float:
    """About which share of pictures was in an earlier set, of which only the sketch is known.

    A set that is not larger than a sketch is known whole.
    """
    known, largest = set(sketch), max(sketch, default="")
    hashes = _hash_ids(ids)
    if len(sketch) >= N_SKETCHED:
        hashes = [one for one in hashes if one <= largest]
    return sum(one in known for one in hashes) / len(hashes) if hashes else 0.0


def number_use(earlier: Iterable[Use], challenger: str, champion: str, ids: Sequence[str]) -> int:
    """The place of a decision among the distinct ones that most of these test pictures have made, from 1.

    The same two models are one decision, however often it is made: it keeps its place.

    Args:
        earlier: oldest first.
        ids: of the test pictures of this decision.
    """
    distinct = dict.fromkeys(
        (one.challenger, one.champion) for one in earlier if share_of(ids, one.test) > _SAME
    )
    known = list(distinct)
    pair = challenger, champion
    return known.index(pair) + 1 if pair in distinct else len(known) + 1


def _hash_ids(ids: Iterable[str]) -> list[str]:
    return sorted(hashlib.sha256(one.encode()).hexdigest()[:_N_CHARACTERS] for one in ids)
