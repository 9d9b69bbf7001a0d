"""Rows of a model's output as answers: classes may be called as its columns are."""

from typing import Any

from pipeline.server.answers import name_model, read_row
from pipeline.server.deployment import About

ROW: dict[str, Any] = {"answer": "review", "class": "class", "probability": 0.6, "reason": None}


def test_columns_follow_the_order_of_the_classes_whatever_they_are_called() -> None:
    row = ROW | {"class (class)": 0.6, "b": 0.4}
    answer = read_row(row, ("class", "b"), "x.png")
    assert answer.probabilities == {"class": 0.6, "b": 0.4}
    assert (answer.file, answer.class_, answer.review) == ("x.png", "class", True)
    assert answer.model_dump(by_alias=True)["class"] == "class"


def test_what_cannot_be_used_has_a_reason_and_nothing_else() -> None:
    row = dict.fromkeys(ROW) | {"reason": "unreadable: \u202e", "a": None, "b": None}
    answer = read_row(row, ("a", "b"), "")
    given = answer.model_dump(by_alias=True)
    assert given.pop("reason") == "unreadable: \\xe2\\x80\\xae"
    assert set(given.values()) == {None}


def test_the_short_form_of_a_version() -> None:
    assert name_model(About("m", 3, "m version 3")).model_dump() == {"name": "m", "version": 3}
