"""Answers: every picture once a seed, by a network that has not seen it; scores as defined."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.search.answers import Answers, answer
from pipeline.search.questions import Question, ask
from pipeline.tables.out_of_fold import OUT_OF_FOLD

SMALL = {"model": "conv1", "epochs": 2, "batch_size": 8, "precision": "float32", "learning_rate": 0.01}


def test_every_picture_is_answered_in_every_seed(developed: Paths, params_of: Callable[..., Params]) -> None:
    question = ask(developed, n_folds=3, pattern="", with_test=False)
    totals = []

    def track(folds: Iterable[Any], n: int) -> Iterator[Any]:
        totals.append(n)
        return iter(folds)

    answers = answer(question, params_of(train=SMALL), developed, n_seeds=2, track=track)
    assert totals == [6]
    assert answers.y_prob.sum(axis=2) == pytest.approx(np.ones((2, len(question.part))), abs=1e-5)
    assert not np.array_equal(*answers.y_prob), "another seed, another network"
    assert answers.score_folds().shape == (3, 2)
    assert answers.score_folds().mean() > 0.5
    table = answers.to_table(first_seed=7)
    assert table.schema == OUT_OF_FOLD
    assert len(table) == 2 * len(question.part)
    assert set(table.column("seed").to_pylist()) == {7, 8}


def test_scores_are_of_the_pictures_of_a_fold(developed: Paths) -> None:
    asked = ask(developed, n_folds=2, pattern="", with_test=False)
    n = len(asked.part)
    fold = np.arange(n) % 2
    question = Question(asked.part, asked.keys, asked.class_names, fold)
    y_prob = np.eye(3, dtype=np.float32)[asked.part.y][None].copy()
    wrong = np.flatnonzero((fold == 0) & (asked.part.y == 1))[0]
    y_prob[0, wrong] = [1, 0, 0]
    answers = Answers(question, y_prob, np.array([30, 30]))
    n_first = int((fold == 0).sum())
    assert answers.score_folds()[:, 0] == pytest.approx([1 - 1 / n_first, 1])
    of_class = int(((fold == 0) & (asked.part.y == 1)).sum())
    assert answers.score_class(1)[:, 0] == pytest.approx([1 - 1 / of_class, 1])
    assert answers.test_share == pytest.approx(n / 2 / 30)
    value, low, high = answers.bound(0.95)
    assert low < value < high
