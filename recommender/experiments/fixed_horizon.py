"""The tests that may be looked at once, at the end: two proportions, two means.

Looking at them again and again makes false positives of a fifth of all experiments that have no
effect; decisions on the way go by `sequential`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from scipy.special import ndtr, ndtri

from recommender.experiments.arm_sums import ArmSums


@dataclass(frozen=True, slots=True)
class FixedHorizon:
    """B minus A: the difference with its interval, and the two-sided p-value."""

    difference: float
    low: float
    high: float
    z: float
    p_value: float


def two_proportions(successes_a: int, users_a: int, successes_b: int, users_b: int,
                    alpha: float = 0.05) -> FixedHorizon | None:
    """The two-proportion z-test with pooled variance; the interval takes the arms' own variances.

    One row a user: a user who succeeded twice counts once. None while an arm has no users.

    Raises:
        ValueError: more successes than users.
    """
    if successes_a > users_a or successes_b > users_b:
        raise ValueError("an arm has more successes than users")
    if users_a == 0 or users_b == 0:
        return None
    rate_a, rate_b = successes_a / users_a, successes_b / users_b
    pooled = (successes_a + successes_b) / (users_a + users_b)
    error = sqrt(pooled * (1 - pooled) * (1 / users_a + 1 / users_b))
    spread = sqrt(rate_a * (1 - rate_a) / users_a + rate_b * (1 - rate_b) / users_b)
    return _judged(rate_b - rate_a, error, spread, alpha)


def two_means(a: ArmSums, b: ArmSums, alpha: float = 0.05) -> FixedHorizon | None:
    """The same for means a request, with users as clusters; None while one has no variance."""
    variance = a.variance + b.variance
    if a.mean is None or b.mean is None or not 0 < variance < float("inf"):
        return None
    return _judged(b.mean - a.mean, sqrt(variance), sqrt(variance), alpha)


def _judged(difference: float, error: float, spread: float, alpha: float) -> FixedHorizon:
    z = difference / error if error > 0 else 0.0
    reach = float(ndtri(1 - alpha / 2)) * spread
    return FixedHorizon(difference, difference - reach, difference + reach, z,
                        float(2 * ndtr(-abs(z))))


def wilson_interval(count: int, of: int, alpha: float = 0.05) -> tuple[float, float]:
    """The interval of a proportion by Wilson (1927), (0, 1) of nothing."""
    if of == 0:
        return 0.0, 1.0
    z = float(ndtri(1 - alpha / 2))
    rate = count / of
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    reach = z * sqrt(rate * (1 - rate) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)
