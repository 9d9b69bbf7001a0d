"""Shares, intervals and names as people read them; what is not defined is a dash."""

from html import escape

import numpy as np

from pipeline.evidence.intervals import Interval

MISSING = "&ndash;"


def show_name(name: str) -> str:
    """A name of the user's as HTML, whose direction of writing does not turn the words around it."""
    return f"<bdi>{escape(name)}</bdi>"


def show_level(confidence: float) -> str:
    """The level of an interval (0..1) in percent: 95%, 99.9%."""
    return f"{100 * confidence:g}%"


def show_share(share: float) -> str:
    """A share (0..1) in percent, as HTML."""
    return MISSING if np.isnan(share) else f"{share:.1%}"


def show_ends(one: Interval) -> str:
    """From where to where an interval of a share goes, as HTML."""
    return MISSING if np.isnan(one.value) else f"{one.low:.1%} to {one.high:.1%}"
