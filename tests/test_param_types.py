"""Kinds of values: sides of pictures, words for nothing, texts that YAML takes for numbers."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.param_types import DEFAULT, NONE, ImageHw, Width, Words


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
