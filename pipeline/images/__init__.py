"""Bytes of an image file -> facts about it, or a canonical uint8 picture. Pillow lives here only.

Nothing here keeps state: the same bytes and settings give the same facts and pixels in a stage, in
`darkroom predict` and in the served model. Formats are an allow-list of Pillow's decoders; the number
of pixels is checked from the header, before memory is taken. Any fault of a file is an `ImageError`.
"""

from pipeline.images.facts import Facts, inspect, look, unseen
from pipeline.images.fingerprint import VIEWS, Fingerprint
from pipeline.images.measures import residues
from pipeline.images.picture import (
    THUMBNAIL_PX,
    Developed,
    Wanted,
    canonical,
    develop,
    encoded_png,
    thumbnail,
    undeveloped,
)
from pipeline.images.reading import MAX_PIXELS, OVERRULABLE, REASONS, REPAIRS, check_formats

__all__ = [
    "MAX_PIXELS",
    "OVERRULABLE",
    "REASONS",
    "REPAIRS",
    "THUMBNAIL_PX",
    "VIEWS",
    "Developed",
    "Facts",
    "Fingerprint",
    "Wanted",
    "canonical",
    "check_formats",
    "develop",
    "encoded_png",
    "inspect",
    "look",
    "residues",
    "thumbnail",
    "undeveloped",
    "unseen",
]
