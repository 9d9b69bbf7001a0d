"""Answers about pictures that a network has not learned from: of folds, or about validation pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Part, Pictures
from pipeline.errors import DataError
from pipeline.evidence.examination import predict
from pipeline.serving.answer_rule import AnswerRule
from pipeline.serving.classifier import Classifier
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import read_table
from pipeline.tables.split import NAMED

Float32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Unseen:
    """Answers to pictures that the network has not learned from, before any temperature.

    Attributes:
        part: the pictures [n].
        y_prob: class probabilities [n, n_classes].
        groups: the name of each picture's group that no fold divides [n], such as a source.
        fold: the fold that answered each [n]; of validation pictures 0 and 1 in turn, by groups.
        chosen_on: where they come from.
    """

    part: Part
    y_prob: Float32
    groups: npt.NDArray[np.str_]
    fold: Ints
    chosen_on: Literal["out_of_fold", "val"]

    @property
    def y_true(self) -> Ints:
        """Their classes [n]."""
        return self.part.y

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """Whether each answer is right [n], whatever the temperature."""
        return np.asarray(self.y_prob.argmax(axis=1) == self.y_true)

    @property
    def group_numbers(self) -> Ints:
        """The number of each picture's group [n]."""
        return np.unique(self.groups, return_inverse=True)[1]

    @property
    def is_named(self) -> npt.NDArray[np.bool_]:
        """Whether the group of each has a name, such as a source, and is not only what looks alike [n]."""
        return np.asarray(np.char.startswith(self.groups, NAMED))

    def judge(self, rule: AnswerRule) -> tuple[npt.NDArray[np.bool_], Float32]:
        """Whether each answer is right [n], and the probability that it is given by a rule [n]."""
        tempered = rule.temper(self.y_prob)
        return np.asarray(tempered.argmax(axis=1) == self.y_true), tempered.max(axis=1)

    @property
    def has_sources(self) -> bool:
        """Whether whole sources were left out, as far as names tell."""
        return self.chosen_on == "out_of_fold" and bool(self.is_named.any())


def read_unseen(out_of_fold: Path, learnt: Part, val: Part, classifier: Classifier, shards: Path) -> Unseen:
    """The answers of train's folds; where it made none, those of the classifier to the validation pictures.

    Args:
        learnt: the pictures of train and val.
        val: those of val.

    Raises:
        DataError: the answers are of other pictures than those of the split.
    """
    found = _read_answers(out_of_fold, learnt, learnt.fold_group)
    if found is not None:
        return found
    groups = np.array(val.fold_group or val.ids, dtype=str)
    fold = np.unique(groups, return_inverse=True)[1] % 2
    return Unseen(val, predict(classifier, Pictures((shards, val))), groups, fold, "val")


def read_label_answers(path: Path, learnt: Part, unseen: Unseen) -> Unseen:
    """What labels are compared with: answers by networks that know the sources; without any, `unseen`.

    Raises:
        DataError: the answers are of other pictures than those of the split.
    """
    return _read_answers(path, learnt, learnt.duplicate_group) or unseen


def _read_answers(path: Path, learnt: Part, groups: Sequence[str] | None) -> Unseen | None:
    table = read_table(path, OUT_OF_FOLD)
    if not table.num_rows:
        return None
    if tuple(table["id"].to_pylist()) != learnt.ids:
        raise DataError(f"{path} answers other pictures than split.parquet; run `dvc repro train`")
    y_prob = np.array(table["y_prob"].to_pylist(), np.float32)
    names, fold = np.array(groups or learnt.ids, dtype=str), table["fold"].to_numpy().astype(np.int64)
    return Unseen(learnt, y_prob, names, fold, "out_of_fold")
