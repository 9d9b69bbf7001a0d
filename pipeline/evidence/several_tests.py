"""Several tests at once: one of many is significant by luck, unless they are adjusted."""

from collections.abc import Sequence

import numpy as np


def adjust_holm(p: Sequence[float]) -> list[float]:
    """p values of several comparisons, adjusted by Holm (1979); nan stays nan, and is no comparison."""
    values = np.array(p, np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    left = len(order) - np.arange(len(order))
    values[order] = np.minimum(1, np.maximum.accumulate(left * values[order]))
    return [float(value) for value in values]
