"""Why a file of the source is not used: the value that carries it from the container to the table."""

from typing import NamedTuple

# Why a file does not continue: all reasons there are.
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
    "duplicate",
    "conflicting_labels",
    "low_information",
    "no_label",
    "dropped",
)
# Reasons that a person may overrule: the picture can be decoded.
OVERRULABLE = ("too_small", "animated", "conflicting_labels", "low_information", "no_label")


class Refusal(NamedTuple):
    """One of REASONS, and what was found, in words."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
