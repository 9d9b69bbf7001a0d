"""What a classifier answers to test pictures that were altered: on a sample, the same one every time."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.backend.anatomy import count_multiplications, trace_steps
from pipeline.collection.pictures import Ints, cut_into_runs
from pipeline.evidence.examination import Examination
from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.samples import choose_sample
from pipeline.images.graded_alterations import ALTERATIONS, GRAYSCALE, MAX_SEVERITY, alter, is_grey
from pipeline.progress import track
from pipeline.serving.classifier import Classifier

_LEAST, _MOST = 64, 512  # pictures, where nobody says how many; whole batches of 32
_MULTIPLICATIONS = 350e9  # that nobody asked for; two AVX2 cores do 20 to 35 billion a second
_CHUNK = 256  # pictures in memory at a time


@dataclass(frozen=True)
class Answers:
    """What was answered to a sample of the test pictures under each alteration and severity.

    Attributes:
        at: the positions of the sample in the examination [n].
        names: the alterations.
        y_pred: class indices [n], by alteration and severity (1 to 5).
    """

    examined: Examination
    at: Ints
    names: Sequence[str]
    y_pred: Mapping[tuple[str, int], Ints]

    @property
    def y_true(self) -> Ints:
        """The class of each picture [n]."""
        return self.examined.y_true[self.at]

    def find_right(self, name: str, severity: int) -> npt.NDArray[np.bool_]:
        """Whether each answer is right [n]; severity 0 is the picture as it is."""
        given = self.y_pred[name, severity] if severity else self.examined.y_pred[self.at]
        return np.asarray(given == self.y_true)

    def bound(self, right: npt.NDArray[np.floating | np.bool_], confidence: float) -> Interval:
        """The share of right answers, from each picture's share [n]."""
        groups = self.examined.groups[self.at]
        return bound_share(right.astype(np.float64), groups, confidence=confidence)


def suggest_n(classifier: Classifier, picture: npt.NDArray[np.uint8]) -> int:
    """How many pictures a network answers under all alterations in some seconds, by its multiplications.

    They are the same on every machine, so the sample is.
    """
    n_passes = len(ALTERATIONS) * MAX_SEVERITY * (2 if classifier.settings.test_mirror else 1)
    cost = n_passes * max(1, count_multiplications(trace_steps(classifier.network, picture)))
    return int(np.clip(_MULTIPLICATIONS // cost, _LEAST, _MOST))


def answer_altered(examined: Examination, n: int) -> Answers:
    """The answers to a sample of n pictures, under all alterations that change them."""
    ids = examined.pictures.ids
    at = choose_sample(ids, examined.y_true, n, purpose="robustness")
    runs = [at[run] for run in cut_into_runs(len(at), _CHUNK)]
    names = [name for name in ALTERATIONS if name != GRAYSCALE or not _are_grey(examined, runs)]
    severities = range(1, MAX_SEVERITY + 1)
    given: dict[tuple[str, int], list[Ints]] = {one: [] for one in itertools.product(names, severities)}
    todo = list(itertools.product(range(len(runs)), given))
    number, pictures = -1, np.empty(0, np.uint8)
    for run, (name, severity) in track(todo, total=len(todo), what="answering altered pictures"):
        if run != number:
            number, pictures = run, examined.pictures.gather(runs[run])
        altered = alter(pictures, [ids[i] for i in runs[run]], name, severity)
        given[name, severity].append(examined.classifier.predict_pictures(altered).argmax(axis=1))
    return Answers(examined, at, names, {one: np.concatenate(parts) for one, parts in given.items()})


def _are_grey(examined: Examination, runs: Sequence[Ints]) -> bool:
    return all(is_grey(examined.pictures.gather(run)) for run in runs)
