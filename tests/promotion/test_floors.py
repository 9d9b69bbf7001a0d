"""What any model must reach."""

from typing import Any

import numpy as np
import pytest

from pipeline.promotion.floors import find_missed_floors

# Four of "a" (3 right, one called b), four of "b" (2 right), none of "c".
Y_TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 1])
Y_PRED = np.array([0, 0, 0, 1, 1, 1, 0, 0])
NAMES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("floors", "missed"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"accuracy": 0.625, "recall": {"a": 0.75, "b": 0.5}}, [], id="exactly reached"),
        pytest.param(
            {"accuracy": 0.63}, ["accuracy 0.6250 is below promote.floors.accuracy 0.63"], id="accuracy"
        ),
        pytest.param({"balanced_accuracy": 0.7}, ["balanced_accuracy 0.6250 is below"], id="a mean"),
        pytest.param({"macro_f1": 0.7, "macro_precision": 0.9}, ["macro_f1", "macro_precision"], id="two"),
        pytest.param(
            {"recall": {"b": 0.6}},
            ["recall of class 'b' 0.5000 is below promote.floors.recall 0.6"],
            id="a class",
        ),
        pytest.param({"precision": {"a": 0.7}}, ["precision of class 'a' 0.6000"], id="its precision"),
        pytest.param(
            {"recall": {"*": 0.6, "b": 0.1, "c": 0.0}}, [], id="the star is for those without their own"
        ),
        pytest.param({"recall": {"*": 0.0}}, [], id="a floor of nothing"),
        pytest.param(
            {"recall": {"*": 0.8}},
            ["recall of class 'c' is not known", "recall of class 'b'", "recall of class 'a'"],
            id="a class without pictures, and the furthest below first",
        ),
        pytest.param(
            {"f1": {"bb": 0.1}},
            ["promote.floors.f1 names the class 'bb', which this model does not have (did you mean b?)"],
            id="a class that is missing",
        ),
    ],
)
def test_floors(floors: Any, missed: list[str]) -> None:
    found = find_missed_floors(floors, Y_TRUE, Y_PRED, NAMES)
    assert len(found) == len(missed), found
    for said, expected in zip(found, missed, strict=True):
        assert expected in said


def test_a_few_of_many_classes_are_named() -> None:
    y = np.arange(10)
    found = find_missed_floors({"recall": {"*": 0.5}}, y, (y + 1) % 10, tuple("abcdefghij"))
    assert len(found) == 4
    assert found[-1] == "recall of 7 more classes is below theirs"
