"""Whether a test set is large enough to tell two models apart: the power of McNemar's exact test.

Two models answer the same pictures. Only pictures that one of them gets right and the other wrong count. Let
psi be the share of these, and d the difference of the two accuracies. Connor (1987), "Sample size for testing
differences in proportions for the paired-sample design", Biometrics 43, 207-211, needs about

    n = (z_alpha/2 sqrt(psi) + z_beta sqrt(psi - d^2))^2 / d^2

pictures for McNemar's test. The exact test needs more, above all where few pictures count. So its power is
computed as it is (Duffy 1984, "Asymptotic and exact power for the McNemar test and its analogue with R
controls per case", Biometrics 40, 1007-1015): the number that count is binomial, and given that number, so is
the number that the worse model gets right. Connor's formula is where the search for n begins.

psi depends on the other model, whose answers are not known here. The two are taken to err independently.
Models that err on the same pictures differ in fewer answers, and are told apart by less. So this is the
careful side.
"""

import math
from typing import Any

import numpy as np

LUCK = 0.05  # a difference with a p value below is more than luck; `darkroom compare` takes the same
POWER = 0.8

_TAIL = 12.0  # standard deviations of the number of discordant pictures that are looked at, to either side
_STEP = 1e-5  # of a difference
_MAX_N = 10_000_000  # pictures


def compute_power(n: int, better: float, worse: float, *, luck: float = LUCK) -> float:
    """How often McNemar's exact test on `n` pictures finds the better of two models that err independently.

    Args:
        better, worse: their accuracies.
        luck: the p value below which a difference is more than luck.
    """
    from scipy.stats import binom

    won, lost = better * (1 - worse), worse * (1 - better)
    discordant = won + lost
    if not discordant:
        return 0.0
    mean, spread = n * discordant, math.sqrt(n * discordant * (1 - discordant))
    low, high = math.floor(mean - _TAIL * spread - _TAIL), math.ceil(mean + _TAIL * spread + _TAIL)
    counts: Any = np.arange(max(0, low), min(n, high) + 1)
    most_lost = binom.ppf(luck / 2, counts, 0.5) - 1  # of the worse model, for a p value below `luck`
    found = binom.cdf(most_lost, counts, lost / discordant)
    return float((binom.pmf(counts, n, discordant) * found).sum())


def find_detectable(n: int, accuracy: float, *, power: float = POWER, luck: float = LUCK) -> float:
    """The smallest difference by which a model of this accuracy is found better, in `power` of all cases.

    nan where not even a model that gets nothing right would be told apart.
    """
    low, high = 0.0, accuracy
    if compute_power(n, accuracy, 0.0, luck=luck) < power:
        return math.nan
    while high - low > _STEP:
        middle = (low + high) / 2
        if compute_power(n, accuracy, accuracy - middle, luck=luck) < power:
            low = middle
        else:
            high = middle
    return high


def count_needed(difference: float, accuracy: float, *, power: float = POWER, luck: float = LUCK) -> int:
    """How many pictures find a model of this accuracy better than one that is worse by `difference`.

    0 where no number of them does: the other accuracy would be below 0, or more than ten million are needed.
    """
    from scipy.special import ndtri

    worse = accuracy - difference
    if worse < 0:
        return 0
    discordant = accuracy * (1 - worse) + worse * (1 - accuracy)
    reach = float(ndtri(1 - luck / 2)) * math.sqrt(discordant)
    reach += float(ndtri(power)) * math.sqrt(max(0.0, discordant - difference**2))
    low, high = 0, max(1, math.ceil((reach / difference) ** 2))
    while compute_power(high, accuracy, worse, luck=luck) < power:
        low, high = high, 2 * high
        if high > _MAX_N:
            return 0
    while high - low > 1:
        middle = (low + high) // 2
        if compute_power(middle, accuracy, worse, luck=luck) < power:
            low = middle
        else:
            high = middle
    return high
