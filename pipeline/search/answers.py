"""Cross-validation on request: every picture answered by networks that saw neither it nor its group.

Importing this imports Keras: set the device up before.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.collection.pictures import Ints
from pipeline.evidence.answers import build_answers
from pipeline.evidence.intervals import Interval
from pipeline.params import Params, TrainParams
from pipeline.paths import Paths
from pipeline.search.luck import Spread, bound_resampled, divide_spread
from pipeline.search.questions import Question
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.training.fold_work import FoldWork
from pipeline.training.folds import Fold, choose_fold
from pipeline.training.policy import Policy, read_policy

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """The probabilities of every class, of every picture, by networks that have not seen it.

    Attributes:
        y_prob: float32 [n_seeds, n, n_classes].
        n_train: pictures that the network of each fold learned from [n_folds].
    """

    question: Question
    y_prob: npt.NDArray[np.float32]
    n_train: Ints

    @property
    def test_share(self) -> float:
        """Tested pictures of a fold by its training pictures, on average."""
        return float(np.mean(np.bincount(self.question.fold) / self.n_train))

    def score_folds(self) -> Float64:
        """The accuracy of each fold and seed: [n_folds, n_seeds]."""
        return self._average(np.ones(len(self.question.part), bool))

    def score_class(self, index: int) -> Float64:
        """The recall of a class in each fold and seed [n_folds, n_seeds]; nan where a fold has none of it."""
        return self._average(self.question.part.y == index)

    def _average(self, chosen: npt.NDArray[np.bool_]) -> Float64:
        right = self.y_prob.argmax(axis=2) == self.question.part.y
        folds = [chosen & (self.question.fold == number) for number in range(self.question.n_folds)]
        return np.array([right[:, of].mean(axis=1) if of.any() else right[:, 0] * np.nan for of in folds])

    def bound(self, confidence: float) -> Interval:
        """The accuracy with its corrected resampled t interval."""
        scores = self.score_folds().mean(axis=1)
        return bound_resampled(scores, test_share=self.test_share, confidence=confidence)

    def to_table(self, first_seed: int) -> pa.Table:
        """As a table of schema OUT_OF_FOLD; the seeds are numbered from `first_seed`."""
        asked, part = self.question, self.question.part
        tables = [
            build_answers(part.ids, asked.keys, part.y, y_prob, asked.class_names)
            .append_column(OUT_OF_FOLD.field("seed"), [np.full(len(part), first_seed + number)])
            .append_column(OUT_OF_FOLD.field("fold"), [asked.fold.astype(np.int32)])
            for number, y_prob in enumerate(self.y_prob)
        ]
        return pa.concat_tables(tables).sort_by([("id", "ascending"), ("seed", "ascending")])

    def divide_spread(self) -> Spread:
        """What of the accuracy's spread comes with the fold, and what with the seed."""
        return divide_spread(self.score_folds())


def answer(
    question: Question,
    params: Params,
    paths: Paths,
    *,
    n_seeds: int,
    track: Callable[[Iterable[Any], int], Iterator[Any]],
    policy: Policy | None = None,
) -> Answers:
    """Train a network a fold and seed, by what params.yaml says, and let it answer the fold.

    Args:
        track: shows the progress of an iterator of so many items.
        policy: of augmentation; None: that which the stage augment wrote.
    """
    part = question.part
    y_prob = np.zeros((n_seeds, len(part), len(question.class_names)), np.float32)
    n_train = np.zeros(question.n_folds, np.int64)
    work = FoldWork(
        *(paths.shards, part),
        policy=read_policy(paths.policy) if policy is None else policy,
        params=params.train,
        features=paths.cache / "features",
    )

    def choose(number: int, k: int) -> tuple[Fold, TrainParams]:
        train = params.train.model_copy(update={"seed": params.train.seed + number})
        return choose_fold(question.fold, k, train.seed), train

    trainings = list(itertools.product(range(n_seeds), range(question.n_folds)))
    answered = work.answer(choose(*one) for one in trainings)
    for (number, k), found in track(zip(trainings, answered, strict=True), len(trainings)):
        fold, _ = choose(number, k)
        n_train[k] = len(fold.train)
        y_prob[number, fold.test] = found
    return Answers(question, y_prob, n_train)
