"""How far files are from what a model was trained on: the population stability index of their facts.

PSI is the sum of (a - e) ln(a / e) over bins, where e is the share of training pictures in a bin and a that
of the files. Above 0.25 a change is called large (Siddiqi 2006). Few files reach that by chance, so a large
one must also exceed what chance gives: under no change, PSI / (1/n + 1/m) is about chi-squared with as many
degrees of freedom as there are bins, less one (Yurdakul 2018).

Files are often of one class, or of a mix that the training had not. So the training pictures are weighted to
the classes that the model answered. Weighted, they are worth m = 1 / sum(w^2 / m_class) pictures.

Of fewer files than PSI needs, it is only told where all of them lie outside the range of the training. That
n of n new values do so by chance, with m of the training, has the probability (n + 1) / C(m + n, n).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import comb
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.characters import cut, escape, say_count
from pipeline.images.facts import FACT_BY_NAME, Fact
from pipeline.serving.training_facts import Measure, TrainingFacts

Floats = npt.NDArray[np.float64]

LARGE = 0.25
MIN_FILES = 20  # fewer say little
_ALPHA = 0.05  # over all facts together
_MAX_SHOWN = 40  # characters of a value
_MAX_NAMED = 4  # facts in a sentence
_CLASSES = "classes"  # the key of the classes that were answered, beside those of the facts
_GROUND = (
    "brightness",
    "border_brightness",
    "share_white",
)  # what a photograph of an object on paper changes
_HINT = (
    "If each shows one object on a plain ground, `--fit pad --content 0.7 --invert auto` makes them more "
    "like the training pictures."
)
_WARNING = "What the test says of accuracy need not hold for them."


class Change(NamedTuple):
    """How far one fact of the files is from that of the training pictures.

    Attributes:
        limit: a larger PSI is large, and not due to chance.
    """

    name: str
    psi: float
    limit: float

    @property
    def is_large(self) -> bool:
        """Whether the fact has changed."""
        return self.psi > self.limit


class Drift:
    """The facts of files, counted in the bins of the training pictures, and the classes they were given."""

    def __init__(self, training: TrainingFacts, state: Any = None) -> None:
        self.training = training
        self._counts = {name: [0] * len(one.counts) for name, one in training.measures.items()}
        self._classes: Counter[str] = Counter()
        if state:
            self._counts |= {name: list(counts) for name, counts in state.items() if name in self._counts}
            self._classes.update(state.get(_CLASSES, {}))

    def add(self, facts: Mapping[str, Any], class_name: str) -> None:
        """Count the facts of one more picture, and its likeliest class."""
        self._classes[class_name] += 1
        for name, measure in self.training.measures.items():
            self._counts[name][measure.find_bin(facts.get(name))] += 1

    def as_json(self) -> dict[str, Any]:
        """All that was counted, from which another Drift can continue."""
        return {**self._counts, _CLASSES: dict(self._classes)}

    def describe(self, answers: Mapping[str, int], review: str, *, is_framed: bool = False) -> list[str]:
        """In words: the share of `review` beside that of the test, and the facts that have changed.

        Args:
            answers: how many files have each answer.
            review: the answer that asks for a person.
            is_framed: the pictures were made like those of the training, so no advice is given to do so.
        """
        n = sum(answers.values())
        said = []
        if n >= MIN_FILES:
            said = [self._describe_review(answers.get(review, 0) / n, n), self._describe_facts()]
        elif n:
            said = list(self._describe_few(n))
        far = self._find_outside(0.5)
        if said and not is_framed and any(name in far for name in _GROUND) and _WARNING in said[-1]:
            said.append(_HINT)
        return said

    def rank(self) -> list[Change]:
        """The change of each fact, the largest PSI first."""
        from scipy.special import chdtri

        found = []
        for name in self.training.measures:
            mine, theirs = np.array(self._counts[name], np.float64), self._expect(name)
            used = (mine + theirs) > 0
            psi = compute_psi(mine[used], theirs[used])
            freedom = max(int(used.sum()) - 1, 1)
            chance = chdtri(freedom, _ALPHA / len(self._counts)) * (1 / mine.sum() + 1 / theirs.sum())
            found.append(Change(name, psi, max(LARGE, float(chance))))
        return sorted(found, key=lambda one: -one.psi)

    def _expect(self, name: str) -> Floats:
        """The counts of the training pictures in the bins of a fact, weighted to the classes of the files.

        Their sum is the number of pictures they are worth.
        """
        measure = self.training.measures[name]
        known = {one: np.array(measure.by_class[one], np.float64) for one in self._find_known(measure)}
        if not known:
            return np.array(measure.counts, np.float64)
        total = sum(self._classes[one] for one in known)
        weights = {one: self._classes[one] / total for one in known}
        shares = sum(weights[one] * counts / counts.sum() for one, counts in known.items())
        worth = 1 / sum(weights[one] ** 2 / counts.sum() for one, counts in known.items())
        return np.asarray(shares * worth, np.float64)

    def _find_known(self, measure: Measure) -> list[str]:
        """The classes that were answered and have training pictures."""
        return [one for one in self._classes if any(measure.by_class.get(one, ()))]

    def _find_outside(self, least: float) -> list[str]:
        """The facts in which more than a share of the files have a value that no training picture has."""
        found = {}
        for name, measure in self.training.measures.items():
            mine = self._counts[name]
            n = sum(one for one, theirs in zip(mine, measure.counts, strict=True) if not theirs)
            found[name] = n / max(sum(mine), 1)
        return [name for name, share in found.items() if share > least]

    def _describe_few(self, n: int) -> Iterator[str]:
        yield (
            f"{say_count(n, 'file')}: too few to tell whether they are like the training pictures, which "
            f"takes {MIN_FILES}."
        )
        measures = self.training.measures
        chances = {name: (n + 1) / comb(sum(one.counts) + n, n) for name, one in measures.items()}
        outside = [name for name in self._find_outside(1 - 1e-9) if chances[name] * len(measures) < _ALPHA]
        if len(outside) > 1 or any(name in outside for name in _GROUND):
            outside.sort(key=lambda name: name not in _GROUND)
            named = ", ".join(_word(name) for name in outside[:_MAX_NAMED])
            who = "It lies" if n == 1 else f"All {n} lie"
            yield (
                f"{who} outside the range of the training pictures in {len(outside)} of "
                f"{say_count(len(measures), 'fact')}: {named}{_say_more(outside, _MAX_NAMED)}. {_WARNING}"
            )

    def _describe_review(self, share: float, n: int) -> str:
        expected, n_test = self.training.review, max(self.training.n_test, 1)
        spread = np.sqrt(max(expected * (1 - expected), 1 / n_test) * (1 / n + 1 / n_test))
        more = share > expected + 2 * spread
        judged = ": more than expected, so look at these files" if more else ""
        return f"Left to a person: {share:.0%} of the files, {expected:.0%} of the test pictures{judged}."

    def _describe_facts(self) -> str:
        ranked = self.rank()
        large = [one for one in ranked if one.is_large]
        whose = "the training pictures of the same classes" if self._is_weighted else "the training pictures"
        if not large:
            first = ranked[0]
            few = "of so few files, " if first.limit > LARGE else ""
            return (
                f"The files are like {whose} in all {say_count(len(ranked), 'fact')}. The largest change is "
                f"in {_word(first.name)} (PSI {first.psi:.2f}; {few}above {first.limit:.2f} would be large)."
            )
        first = large[0]
        named = ", ".join(f"{_word(one.name)} {one.psi:.2f}" for one in large[1:_MAX_NAMED])
        also = f" Also: {named}{_say_more(large, _MAX_NAMED)}." if named else ""
        return (
            f"The files are unlike {whose} in {len(large)} of {say_count(len(ranked), 'fact')}, most in "
            f"{_word(first.name)} (PSI {first.psi:.2f}, large above {first.limit:.2f}): "
            f"{self._explain(first.name)}.{also} {_WARNING}{self._doubt_mix()}"
        )

    @property
    def _is_weighted(self) -> bool:
        return any(self._find_known(measure) for measure in self.training.measures.values())

    def _doubt_mix(self) -> str:
        """What else may be why, where the training pictures of each class are not known."""
        if self._is_weighted or not self._classes:
            return ""
        ((name, n),) = self._classes.most_common(1)
        share = _say_share(n / self._classes.total())
        return (
            " The mix of classes may be why: this model does not hold these facts class by class, and "
            f"{share} of the files are likeliest {cut(escape(name), _MAX_SHOWN)}."
        )

    def _explain(self, name: str) -> str:
        """What has changed in a fact, in words."""
        measure, fact = self.training.measures[name], FACT_BY_NAME[name]
        mine, theirs = (np.asarray(one) / np.sum(one) for one in (self._counts[name], self._expect(name)))
        word, edges = fact.word or fact.name, measure.edges
        place = int(np.abs(mine - theirs).argmax()) if edges else int((mine - theirs).argmax())
        of_bin = (mine[place], theirs[place])
        if not edges or place >= len(edges) + 1:
            return _compare(_say_place(measure, fact, place), *of_bin)
        above = [(mine[at:-2].sum(), theirs[at:-2].sum()) for at in range(1, len(edges) + 1)]
        at = int(np.argmax([abs(a - e) for a, e in above]))
        if abs(above[at][0] - above[at][1]) + 1e-9 < abs(of_bin[0] - of_bin[1]):
            ends = f"from {_say_number(edges[place - 1])} to {_say_number(edges[place])}"
            return _compare(f"have {word} {ends}", *of_bin)
        if above[at][0] > above[at][1]:
            side = "of at least" if at < len(edges) - 1 else "above"  # a value at an edge lies above it
            return _compare(f"have {word} {side} {_say_number(edges[at])}", *above[at])
        below = (mine[: at + 1].sum(), theirs[: at + 1].sum())
        return _compare(f"have {word} below {_say_number(edges[at])}", *below)


def compute_psi(mine: Floats, theirs: Floats) -> float:
    """The population stability index of two rows of counts; half a count more in each bin: none is empty."""
    a, e = ((one + 0.5) / (one.sum() + 0.5 * len(one)) for one in (mine, theirs))
    return float(((a - e) * np.log(a / e)).sum())


def _word(name: str) -> str:
    return FACT_BY_NAME[name].word or name


def _say_more(named: list[Any], most: int) -> str:
    return " and others" if len(named) > most else ""


def _say_share(share: float) -> str:
    if 0 < share < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= share < 1 - 1e-9 else f"{share:.0%}"


def _say_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _compare(said: str, mine: float, theirs: float) -> str:
    """That a share of the files does what another share of the training pictures does."""
    if not said:
        return f"{_say_share(mine)} of the files have a value that no training picture has"
    others = f"{_say_share(theirs) if theirs else 'none'} of these training pictures"
    return f"{_say_share(mine)} of the files {said}, {others}"


def _say_place(measure: Measure, fact: Fact, place: int) -> str:
    """What is true of the files of a bin; "" where it holds what no training picture has."""
    word = fact.word or fact.name
    if place == len(measure.counts) - 1:
        return f"state no {word}"
    if place == len(measure.counts) - 2:
        return ""
    value = measure.words[place]
    if fact.dtype == "bool":
        return f"have {'' if value == str(True) else 'no '}{word}"
    return f"have {word} {cut(escape(value), _MAX_SHOWN)}"
