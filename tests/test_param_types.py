"""Kinds of values: sides of pictures, words for nothing, texts that YAML takes for numbers."""

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.param_types import DEFAULT, NONE, Choices, ImageHw, Space, Width, Words


@pytest.mark.parametrize("value", [64, [64, 64]])
def test_one_number_is_both_sides(value: object) -> None:
    assert TypeAdapter(ImageHw).validate_python(value, strict=True) == (64, 64)


@pytest.mark.parametrize("value", [True, 0, [64], "64", [1.0, 2.0], 5000, None])
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ImageHw).validate_python(value, strict=True)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        pytest.param(DEFAULT, "default", None, id="default"),
        pytest.param(DEFAULT, None, None, id="null"),
        pytest.param(DEFAULT, 3, 3, id="a number"),
        pytest.param(NONE, "none", None, id="none"),
    ],
)
def test_words_for_nothing(kind: Any, value: object, read: object) -> None:
    from typing import Annotated

    assert TypeAdapter(Annotated[Width | None, kind]).validate_python(value, strict=True) == read


def test_numbers_in_a_list_of_texts_are_told_to_be_quoted() -> None:
    with pytest.raises(ValidationError, match='put "0", "2" in quotes'):
        TypeAdapter(Words).validate_python([0, 2], strict=True)


@pytest.mark.parametrize(
    "values", [[], [1, 2.5], ["adam", "sgd"], [True, False], ["default", 0.5], [0.0, 1e-6], (1, 2)], ids=str
)
def test_a_choice_is_of_plain_values(values: Any) -> None:
    assert TypeAdapter(Choices).validate_python(values) == tuple(values)


@pytest.mark.parametrize(
    "values", [1, None, "ab", [None], [[1]], [math.nan], [math.inf], [1e300], [1e-320]], ids=str
)
def test_a_choice_of_anything_else_is_one_line(values: Any) -> None:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(Choices).validate_python(values)
    assert error.value.error_count() == 1
    assert "a list of texts, true, false, and numbers" in str(error.value)


@pytest.mark.parametrize("space", [None, 5, ["a"], {"train.epochs": [1, 2]}, {"train.epochs": 3}], ids=str)
def test_a_space_is_a_mapping_of_mappings(space: Any) -> None:
    with pytest.raises(ValidationError, match="keys of train and augment are allowed"):
        TypeAdapter(Space).validate_python(space)
