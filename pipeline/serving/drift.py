"""How far files are from what a model was trained on: the population stability index of their facts.

PSI is the sum of (a - e) ln(a / e) over bins, where e is the share of training pictures in a bin and a that
of the files. Above 0.25 a change is called large (Siddiqi 2006). Few files reach that by chance, so a large
one must also exceed what chance gives: under no change, PSI / (1/n + 1/m) is about chi-squared with as many
degrees of freedom as there are bins, less one (Yurdakul 2018).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipeline.characters import cut, escape, say_count
from pipeline.errors import ModelError, one_line
from pipeline.images.facts import FACT_BY_NAME, FACTS, Fact
from pipeline.json_file import load_json
from pipeline.storage import write_whole

FACTS_FILE = "training_facts.json"
LARGE = 0.25
MIN_FILES = 20  # fewer say nothing
_ALPHA = 0.05  # over all facts together
_N_BINS = 10
_MAX_VALUES = 20  # of a number that is taken as a word
_HALF, _GREY = 0.5, 0.5  # of the brightness of a ground; of colourfulness, which compression leaves in grey
_MAX_SHOWN = 40  # characters of a value
# Facts of a file are those of its header; measures are of the picture as the network sees it.
OF_FILE = tuple(fact.name for fact in FACTS if fact.of_file and not fact.of_picture)
OF_PICTURE = tuple(fact.name for fact in FACTS if fact.of_picture)


@dataclass(frozen=True)
class Measure:
    """How one fact is distributed over the training pictures.

    Attributes:
        edges: of the bins of a number; a value at an edge lies above it. Empty for a word.
        words: the values of a word, the most frequent first.
        counts: of each bin or word, then of all other words (0 for numbers), then of pictures without.
        middle: the median of a number.
    """

    edges: tuple[float, ...]
    words: tuple[str, ...]
    counts: tuple[int, ...]
    middle: float = 0.0

    def find_bin(self, value: Any) -> int:
        """The place of a value in `counts`."""
        if _is_none(value):
            return len(self.counts) - 1
        if self.edges:
            return int(np.searchsorted(self.edges, float(value), side="right"))
        word = _spell(value)
        return self.words.index(word) if word in self.words else len(self.counts) - 2

    @classmethod
    def of_values(cls, values: Iterable[Any]) -> Self:
        """The distribution of values, each a number, a word, or None."""
        known, n_none = [], 0
        for value in values:
            if _is_none(value):
                n_none += 1
            else:
                known.append(value)
        words = Counter(map(_spell, known))
        if len(words) <= _MAX_VALUES or isinstance(known[0], str | bool):
            named = words.most_common(_MAX_VALUES)
            n_other = len(known) - sum(n for _, n in named)
            return cls((), tuple(word for word, _ in named), (*(n for _, n in named), n_other, n_none))
        numbers = np.array(known, np.float64)
        edges = np.unique(np.quantile(numbers, np.arange(1, _N_BINS) / _N_BINS))
        counts = np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1)
        return cls(tuple(edges.tolist()), (), (*counts.tolist(), 0, n_none), float(np.median(numbers)))


@dataclass(frozen=True)
class TrainingFacts:
    """What the training pictures were like, and how many test pictures were left to a person.

    Attributes:
        n_pictures: the pictures that were measured.
        review, n_test: the share of test pictures whose answer is `review`, and of how many.
    """

    measures: Mapping[str, Measure]
    n_pictures: int
    review: float
    n_test: int

    @property
    def is_dark(self) -> bool | None:
        """Whether the ground of most training pictures is dark; None where it is not known."""
        border = self._find_middle("border_brightness")
        return None if border is None else border < _HALF

    @property
    def is_grey(self) -> bool:
        """Whether most training pictures have no colours, as far as that is known."""
        colours = self._find_middle("colourfulness")
        return colours is not None and colours < _GREY

    def _find_middle(self, name: str) -> float | None:
        """The median of a number, or the commonest of its few values; None where it is not known."""
        measure = self.measures.get(name)
        if measure is None:
            return None
        return measure.middle if measure.edges else float(measure.words[0])


def write_facts(facts: TrainingFacts, path: Path) -> None:
    """Write the facts of the training pictures beside what else evaluate knows of a model."""
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(facts), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_facts(path: Path) -> TrainingFacts | None:
    """The facts of a model's training pictures; None where an older Darkroom left none.

    Raises:
        ModelError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        said = load_json(path)
        measures = {name: _read_measure(one) for name, one in said["measures"].items()}
        return TrainingFacts(measures, int(said["n_pictures"]), float(said["review"]), int(said["n_test"]))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"{path} is damaged: {one_line(error)}; run `dvc repro -f evaluate`") from None


class Drift:
    """The facts of files, counted in the bins of the training pictures."""

    def __init__(self, training: TrainingFacts, state: Any = None) -> None:
        self.training = training
        self._counts = {name: [0] * len(one.counts) for name, one in training.measures.items()}
        if state:
            self._counts |= {name: list(counts) for name, counts in state.items() if name in self._counts}

    def add(self, facts: Mapping[str, Any]) -> None:
        """Count the facts of one more picture."""
        for name, measure in self.training.measures.items():
            self._counts[name][measure.find_bin(facts.get(name))] += 1

    def as_json(self) -> dict[str, list[int]]:
        """All that was counted, from which another Drift can continue."""
        return self._counts

    def describe(self, answers: Mapping[str, int], review: str) -> list[str]:
        """In words: the share of `review` beside that of the test, and the facts that have changed.

        Args:
            answers: how many files have each answer.
            review: the answer that asks for a person.
        """
        n = sum(answers.values())
        if n < MIN_FILES:
            return []
        return [self._describe_review(answers.get(review, 0) / n, n), self._describe_facts()]

    def rank(self) -> list[tuple[str, float, bool]]:
        """Name, PSI and whether it is large of each fact, the largest PSI first."""
        from scipy.special import chdtri

        found = []
        for name, measure in self.training.measures.items():
            mine = np.array(self._counts[name], np.float64)
            theirs = np.array(measure.counts, np.float64)
            used = (mine + theirs) > 0
            psi = compute_psi(mine[used], theirs[used])
            freedom = max(int(used.sum()) - 1, 1)
            chance = chdtri(freedom, _ALPHA / len(self._counts)) * (1 / mine.sum() + 1 / theirs.sum())
            found.append((name, psi, psi > max(LARGE, float(chance))))
        return sorted(found, key=lambda one: -one[1])

    def _describe_review(self, share: float, n: int) -> str:
        expected, n_test = self.training.review, max(self.training.n_test, 1)
        spread = np.sqrt(max(expected * (1 - expected), 1 / n_test) * (1 / n + 1 / n_test))
        more = share > expected + 2 * spread
        judged = ": more than expected, so look at these files" if more else ""
        return f"Left to a person: {share:.0%} of the files, {expected:.0%} of the test pictures{judged}."

    def _describe_facts(self) -> str:
        ranked = self.rank()
        large = [one for one in ranked if one[2]]
        if not large:
            name, psi, _ = ranked[0]
            return (
                f"The files are like the training pictures in {len(ranked)} facts; the largest change is in "
                f"{_word(name)} (PSI {psi:.2f}; above {LARGE} it would be large)."
            )
        name, psi, _ = large[0]
        others = ", ".join(f"{_word(other)} {one:.1f}" for other, one, _ in large[1:4])
        more = f" Also: {others}{', ...' if len(large) > 4 else ''}." if others else ""
        return (
            f"The files are unlike the training pictures in {len(large)} of {say_count(len(ranked), 'fact')} "
            f"(PSI above {LARGE}), most in {_word(name)} (PSI {psi:.1f}): {self._explain(name)}.{more} What "
            "the test says of accuracy need not hold for them."
        )

    def _explain(self, name: str) -> str:
        """What has changed in a fact, in words."""
        measure, fact = self.training.measures[name], FACT_BY_NAME[name]
        mine, theirs = (np.array(one) / sum(one) for one in (self._counts[name], measure.counts))
        place = int(np.abs(mine - theirs).argmax())
        if measure.edges and place < len(mine) - 2:
            above = int(np.searchsorted(measure.edges, measure.middle, side="right"))
            share = mine[above:-2].sum()
            side, share = ("more", share) if share >= 0.5 else ("less", mine[:above].sum())
            return (
                f"{share:.0%} of the files have {side} than the median of the training, {measure.middle:.3g}"
            )
        place = int((mine - theirs).argmax())
        said = _say(measure, fact, place)
        return f"{mine[place]:.0%} of the files {said}, {theirs[place]:.0%} of the training pictures"


def compute_psi(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> float:
    """The population stability index of two rows of counts; half a count more in each bin: none is empty."""
    a, e = ((one + 0.5) / (one.sum() + 0.5 * len(one)) for one in (mine, theirs))
    return float(((a - e) * np.log(a / e)).sum())


def summarise_facts(columns: Mapping[str, Sequence[Any]]) -> dict[str, Measure]:
    """The distributions of facts, by name; a fact that no picture has is left out."""
    return {
        name: Measure.of_values(values)
        for name, values in columns.items()
        if any(not _is_none(value) for value in values)
    }


def _read_measure(said: Mapping[str, Any]) -> Measure:
    measure = Measure(
        tuple(map(float, said["edges"])),
        tuple(map(str, said["words"])),
        tuple(map(int, said["counts"])),
        float(said["middle"]),
    )
    n_bins = len(measure.edges) + 1 if measure.edges else len(measure.words)
    if len(measure.counts) != n_bins + 2 or min(measure.counts) < 0 or not sum(measure.counts):
        raise ValueError("the counts of a fact are not those of its bins")
    return measure


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _spell(value: Any) -> str:
    """A value as a word: numbers with six digits, so that float32 and float64 are the same."""
    return value if isinstance(value, str) else str(value) if isinstance(value, bool) else f"{value:.6g}"


def _word(name: str) -> str:
    return FACT_BY_NAME[name].word or name


def _say(measure: Measure, fact: Fact, place: int) -> str:
    if place == len(measure.counts) - 1:
        return f"state no {fact.word or fact.name}"
    if place == len(measure.counts) - 2:
        return f"have a {fact.word or fact.name} that no training picture has"
    return f"have {fact.word or fact.name} {cut(escape(measure.words[place]), _MAX_SHOWN)}"
