"""Refusals: one value from the container to the table."""

import pickle

from pipeline.errors import ImageError
from pipeline.refusals import OVERRULABLE, REASONS, Refusal


def test_every_overrulable_reason_is_a_reason() -> None:
    assert set(OVERRULABLE) < set(REASONS)
    assert len(set(REASONS)) == len(REASONS)


def test_an_error_carries_its_refusal_through_a_process() -> None:
    error = ImageError("truncated", "it ends early")
    again = pickle.loads(pickle.dumps(error))
    assert again.refusal == error.refusal == Refusal("truncated", "it ends early")
    assert str(again) == str(again.refusal) == "truncated: it ends early"
