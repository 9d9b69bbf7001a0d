"""Why a file of the source is not used: one value, from the container that reads it to the table."""

from typing import NamedTuple

# All reasons why a file is not used.
REASONS = (
    "not_an_image",
    "empty",
    "truncated",
    "corrupt",
    "unsupported_format",
    "too_many_pixels",
    "too_small",
    "animated",
    "unreadable",
    "outside_source",
    "special_file",
    "missing",
    "duplicate",
    "conflicting_labels",
    "low_information",
    "no_label",
    "dropped",
)
# Reasons that a person may overrule: the picture can be decoded.
OVERRULABLE = ("too_small", "animated", "conflicting_labels", "low_information", "no_label")


class Refusal(NamedTuple):
    """`reason` is one of REASONS; `detail` says in words what was found."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
