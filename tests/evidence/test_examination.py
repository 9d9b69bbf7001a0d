"""An examination: every test picture is answered, and what is right is known."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import DataError
from tests.evidence.conftest import ExaminationOf

LIGHT, DARK = 230, 20


def test_every_picture_is_answered(examination_of: ExaminationOf) -> None:
    examined = examination_of([LIGHT, DARK, LIGHT], [0, 1, 1])
    assert examined.y_prob.shape == (3, 3)
    assert examined.y_pred.tolist() == [0, 1, 0]
    assert examined.is_right.tolist() == [True, True, False]
    assert examined.class_names == ("light", "dark", "odd")


def test_more_pictures_than_are_answered_at_a_time(examination_of: ExaminationOf) -> None:
    examined = examination_of([LIGHT, DARK] * 300, [0, 1] * 300)
    assert examined.is_right.all()
    assert np.array_equal(examined.y_true, [0, 1] * 300)


def test_groups_are_near_duplicates(examination_of: ExaminationOf) -> None:
    examined = examination_of([LIGHT, DARK, LIGHT], [0, 1, 0])
    assert examined.groups.tolist() == [0, 1, 2]
    alike = replace(examined, test=replace(examined.test, duplicate_group=("b", "a", "b")))
    assert alike.groups.tolist() == [1, 0, 1]


def test_nothing_to_examine(examination_of: ExaminationOf) -> None:
    with pytest.raises(DataError, match=r"there is no test picture; raise split\.test"):
        examination_of([], [])
