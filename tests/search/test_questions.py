"""Questions: which pictures are cut, that no group is divided, and what is refused."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.paths import Paths
from pipeline.search.questions import ask
from tests.search.conftest import N


def test_the_test_pictures_stay_out_unless_asked_for(developed: Paths) -> None:
    assert len(ask(developed, n_folds=3, pattern="", with_test=False).part) == N * 3 // 4
    question = ask(developed, n_folds=3, pattern="", with_test=True)
    assert question.part.ids == tuple(sorted(question.part.ids))
    assert question.keys == tuple(f"{int(id_.removeprefix('id-'))}.png" for id_ in question.part.ids)
    assert len(question.part) == N
    assert question.n_folds == 3


def test_no_fold_divides_what_a_pattern_names_alike(developed: Paths) -> None:
    question = ask(developed, n_folds=3, pattern=r"(\d)\.png", with_test=True)
    last = np.array([int(key[-5]) for key in question.keys])
    assert all(len(set(question.fold[last == digit])) == 1 for digit in range(10))


def test_a_class_with_fewer_groups_than_folds_is_named(developed: Paths) -> None:
    with pytest.raises(
        DataError, match=r"30 folds need 30 groups .* fewer: black 20, grey 20, white 20; take"
    ):
        ask(developed, n_folds=30, pattern="", with_test=True)
