"""Errors that cross processes, and foreign ones as one line."""

import pickle

import pytest

from pipeline.errors import ImageError, one_line
from pipeline.refusals import Refusal


def test_an_image_error_says_why_and_survives_a_pipe() -> None:
    error = pickle.loads(pickle.dumps(ImageError("truncated", "12 of 90 lines")))
    assert (str(error), *error.refusal) == ("truncated: 12 of 90 lines", "truncated", "12 of 90 lines")
    assert error.refusal == Refusal("truncated", "12 of 90 lines")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(ValueError("a\n  b\tc"), "a b c", id="white space folded"),
        pytest.param(ValueError(), "ValueError", id="empty"),
        pytest.param(ValueError("x" * 999), "x" * 200, id="cut"),
    ],
)
def test_one_line(error: Exception, said: str) -> None:
    assert one_line(error) == said
