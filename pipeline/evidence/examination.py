"""What a classifier answered on the test pictures, and what one part of the evidence makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Ints, Part, Pictures, cut_into_runs
from pipeline.errors import DataError
from pipeline.progress import track
from pipeline.serving.classifier import Classifier

Float32 = npt.NDArray[np.float32]
State = Literal["good", "unknown", "warning", "bad"]

_CHUNK = 512


@dataclass(frozen=True)
class Examination:
    """A classifier's answers to the test pictures.

    Attributes:
        pictures: the n test pictures, `test` their places and groups.
        y_prob: class probabilities float32 [n, n_classes].
    """

    classifier: Classifier
    test: Part
    pictures: Pictures
    y_prob: Float32

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the columns of `y_prob`."""
        return self.classifier.class_names

    @property
    def y_true(self) -> Ints:
        """The class of each picture [n]."""
        return self.test.y

    @cached_property
    def y_pred(self) -> Ints:
        """The class that was answered [n]."""
        return np.asarray(self.y_prob.argmax(axis=1), np.int64)

    @cached_property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """Whether each answer is right [n]."""
        return np.asarray(self.y_pred == self.y_true)

    @cached_property
    def groups(self) -> Ints:
        """The number of each picture's group of near-duplicates [n]; without any, a group by itself."""
        return np.unique(np.array(self.test.duplicate_group or self.test.ids), return_inverse=True)[1]


@dataclass(frozen=True)
class Judgement:
    """One line of the report's first page.

    Attributes:
        question: what a person asks.
        words: the answer, as HTML, in a sentence or two.
        state: whether one may rely on the model, as far as this goes.
    """

    question: str
    words: str
    state: State


@dataclass(frozen=True)
class Finding:
    """What one part of the evidence says.

    Attributes:
        metrics: by name; a name with "/" is a detail, the others are what people compare.
        title, lines: a chapter of the report, as HTML; no chapter without a title.
        files: what the part wrote, for MLflow.
        judgements: its lines on the first page.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    lines: Sequence[str] = ()
    files: Sequence[Path] = ()
    judgements: Sequence[Judgement] = ()


def examine(classifier: Classifier, test: Part, shards: Path) -> Examination:
    """Let a classifier answer every test picture.

    Raises:
        DataError: there is none.
    """
    if not len(test):
        raise DataError("there is no test picture; raise split.test, or add pictures")
    pictures = Pictures((shards, test))
    return Examination(classifier, test, pictures, predict(classifier, pictures))


def predict(classifier: Classifier, pictures: Pictures) -> Float32:
    """Class probabilities [n, n_classes] of all pictures, gathered in runs."""
    runs = list(cut_into_runs(len(pictures), _CHUNK))
    found = [np.empty((0, len(classifier.class_names)), np.float32)]
    for index in track(runs, total=len(runs), what=f"predicting, {_CHUNK} pictures at a time"):
        found.append(classifier.predict_pictures(pictures.gather(index)))
    return np.concatenate(found)
