"""Whether a short series rises: slope by least squares, and the Mann-Kendall test of a trend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from recommender.metrics import Measured

_EXACT_UP_TO = 60


@dataclass(frozen=True, slots=True)
class Trend:
    """slope: change a window, with its 95 % interval. rising_p: one-sided p of a rise."""

    slope: Measured
    rising_p: float


def trend(values: Sequence[float]) -> Trend:
    """The trend of at least three values of equal distance in time."""
    return Trend(_slope(np.asarray(values, np.float64)), mann_kendall_rising(values))


def mann_kendall_rising(values: Sequence[float]) -> float:
    """One-sided p value of a rising trend: P(S >= s) if the order of the values were random.

    S counts later-greater pairs less later-smaller ones (Mann, Econometrica 1945; Kendall 1975).
    Exact without ties up to 60 values, else the normal approximation with correction for ties and
    continuity. The values must be independent: windows may not overlap.

    >>> round(mann_kendall_rising([1, 2, 3, 4, 5]), 6)  # 1 / 5!
    0.008333
    """
    found = np.asarray(values, np.float64)
    n = len(found)
    if n < 3:
        return 1.0
    later, earlier = np.triu_indices(n, 1)[::-1]
    score = int(np.sign(found[later] - found[earlier]).sum())
    _, ties = np.unique(found, return_counts=True)
    if (ties == 1).all() and n <= _EXACT_UP_TO:
        # S = pairs - 2 * inversions, so a large S is a small number of inversions.
        shares = _inversion_shares(n)
        return float(math.fsum(shares[: (n * (n - 1) // 2 - score) // 2 + 1]))
    variance = (n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    if variance == 0 or score == 0:
        return 1.0 if variance == 0 else 0.5
    z = (score - math.copysign(1, score)) / math.sqrt(variance)
    return 0.5 * math.erfc(z / math.sqrt(2))


@lru_cache
def _inversion_shares(n: int) -> tuple[float, ...]:
    """Share of the permutations of n values that have 0, 1, 2, ... inversions."""
    shares = np.ones(1)
    for size in range(2, n + 1):
        shares = np.convolve(shares, np.full(size, 1.0 / size))
    return tuple(shares.tolist())


def _slope(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Measured:
    n = len(values)
    if n < 3:
        return Measured(0.0)
    places = np.arange(n) - (n - 1) / 2
    spread = float((places**2).sum())
    slope = float(places @ values) / spread
    rest = values - values.mean() - slope * places
    error = math.sqrt(float((rest**2).sum()) / (n - 2) / spread)
    reach = float(stdtrit(n - 2, 0.975)) * error
    return Measured(slope, slope - reach, slope + reach)
