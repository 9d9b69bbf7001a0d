"""wording: shares and their ends, and a dash for what is not defined."""

import numpy as np

from pipeline.evidence.intervals import Interval
from pipeline.evidence.wording import show_ends, show_name, show_share


def test_shares_and_intervals() -> None:
    assert (show_share(0.9312), show_share(np.nan)) == ("93.1%", "&ndash;")
    assert show_name("<b>") == "<bdi>&lt;b&gt;</bdi>"
    assert show_ends(Interval(0.5, 0.25, 0.751)) == "25.0% to 75.1%"
    assert show_ends(Interval(np.nan, np.nan, np.nan)) == "&ndash;"
