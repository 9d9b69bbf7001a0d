"""Errors that cross processes, and foreign ones as one line."""

import errno
import os
import pickle

import pytest

from pipeline.errors import ImageError, SourceError, explain_unread, one_line
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


def test_a_message_is_one_line_of_bounded_length_that_no_terminal_obeys() -> None:
    error = SourceError(f"the file {'x' * 10**7} \x1b[2J \u202e; get a complete copy\nnow")
    assert len(str(error)) == 2000
    assert str(error).endswith("get a complete copy\\x0anow")
    assert str(error).startswith("the file xxx")
    assert "\\x1b[2J \\xe2\\x80\\xae" in str(error)
    assert len(str(SourceError("\x1b" * 2000))) == 2000


def test_a_foreign_message_of_any_length_is_cut() -> None:
    assert len(one_line(ValueError("a\n" * 10**7))) == 200


@pytest.mark.parametrize(
    ("number", "said"),
    [
        pytest.param(errno.EISDIR, "a folder lies where the file should be; move it away", id="a folder"),
        pytest.param(errno.EACCES, "Permission denied; allow reading it", id="no right"),
        pytest.param(errno.EIO, "Input/output error; look at its disk, or restore it", id="a bad disk"),
    ],
)
def test_a_file_that_cannot_be_read_has_a_remedy(number: int, said: str) -> None:
    assert explain_unread("a.csv", OSError(number, os.strerror(number))) == f"a.csv cannot be read: {said}"
