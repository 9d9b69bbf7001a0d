"""What a model's training pictures were like: how each fact of theirs is distributed, over all and by class.

`evaluate` writes it down, and it is packed into the registered model. `drift` compares new files with it.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError, one_line
from pipeline.images.facts import FACTS
from pipeline.json_file import load_json
from pipeline.storage import write_whole

Ints = npt.NDArray[np.int64]

FACTS_FILE = "training_facts.json"
_N_BINS = 10
_NEAR = 1e-6  # of a value: so near, float32 and float64 are the same
_MAX_VALUES = 20  # of a number that is taken as a word
_HALF, _GREY = 0.5, 0.5  # of the brightness of a ground; of colourfulness, which compression leaves in grey
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
        by_class: the counts of the pictures of each class; empty where an older Darkroom left none.
    """

    edges: tuple[float, ...]
    words: tuple[str, ...]
    counts: tuple[int, ...]
    middle: float = 0.0
    by_class: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def find_bin(self, value: Any) -> int:
        """The place of a value in `counts`."""
        if _is_none(value):
            return len(self.counts) - 1
        if self.edges:
            return int(np.searchsorted(self.edges, float(value), side="right"))
        word = _spell(value)
        return self.words.index(word) if word in self.words else len(self.counts) - 2

    @classmethod
    def of_values(cls, values: Sequence[Any], classes: Sequence[str] = ()) -> Self:
        """The distribution of values, each a number, a word, or None.

        Below the first edge and above the last there is no value: a number there is outside the range.

        Args:
            classes: of each value; none: they are not counted by class.
        """
        bins = cls._find_bins([value for value in values if not _is_none(value)])
        places = bins._find_places(values)
        n_places = len(bins.counts)
        by_class = {}
        if classes:
            numbers = {name: number for number, name in enumerate(dict.fromkeys(classes))}
            rows = np.array([numbers[name] for name in classes]) * n_places
            table = np.bincount(rows + places, minlength=len(numbers) * n_places).reshape(-1, n_places)
            by_class = {name: tuple(table[number].tolist()) for name, number in numbers.items()}
        counts = tuple(np.bincount(places, minlength=n_places).tolist())
        return replace(bins, counts=counts, by_class=by_class)

    def _find_places(self, values: Sequence[Any]) -> Ints:
        """`find_bin` of very many values."""
        n_places = len(self.counts)
        if not self.edges:
            known = {word: place for place, word in enumerate(self.words)}
            found = (
                n_places - 1 if _is_none(value) else known.get(_spell(value), n_places - 2)
                for value in values
            )
            return np.fromiter(found, np.int64, len(values))
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        places = np.searchsorted(self.edges, numbers, side="right")
        return np.where(np.isnan(numbers), n_places - 1, places)

    @classmethod
    def _find_bins(cls, known: Sequence[Any]) -> Self:
        """Bins for values, with nothing in them yet."""
        words = Counter(map(_spell, known))
        if len(words) <= _MAX_VALUES or isinstance(known[0], str | bool):
            named = tuple(word for word, _ in words.most_common(_MAX_VALUES))
            return cls((), named, (0,) * (len(named) + 2))
        numbers = np.array(known, np.float64)
        least, most = float(numbers.min()), float(numbers.max())
        near = _NEAR * max(abs(least), abs(most))
        inner = np.quantile(numbers, np.arange(1, _N_BINS) / _N_BINS)
        edges = np.unique([least - near, *inner[inner > least], most + near])
        return cls(tuple(edges.tolist()), (), (0,) * (len(edges) + 3), float(np.median(numbers)))


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
        temporary.write_text(json.dumps(asdict(facts), sort_keys=True) + "\n", encoding="utf-8")


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


def summarise_facts(columns: Mapping[str, Sequence[Any]], classes: Sequence[str] = ()) -> dict[str, Measure]:
    """The distributions of facts, by name; a fact that no picture has is left out.

    Args:
        classes: of the pictures; none: facts are not counted by class.
    """
    return {
        name: Measure.of_values(values, classes)
        for name, values in columns.items()
        if any(not _is_none(value) for value in values)
    }


def _read_measure(said: Mapping[str, Any]) -> Measure:
    measure = Measure(
        tuple(map(float, said["edges"])),
        tuple(map(str, said["words"])),
        tuple(map(int, said["counts"])),
        float(said["middle"]),
        {name: tuple(map(int, counts)) for name, counts in said.get("by_class", {}).items()},
    )
    n_bins = len(measure.edges) + 1 if measure.edges else len(measure.words)
    rows = (measure.counts, *measure.by_class.values())
    if any(len(row) != n_bins + 2 or min(row) < 0 for row in rows) or not sum(measure.counts):
        raise ValueError("the counts of a fact are not those of its bins")
    return measure


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _spell(value: Any) -> str:
    """A value as a word: numbers with six digits, so that float32 and float64 are the same."""
    return value if isinstance(value, str) else str(value) if isinstance(value, bool) else f"{value:.6g}"
