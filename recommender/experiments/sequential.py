"""Tests that may be looked at any time: confidence sequences for the difference of two arms.

The normal mixture of Robbins (1970), as an asymptotic confidence sequence (Waudby-Smith, Arbour,
Sinha, Kennedy, Ramdas: Time-uniform central limit theory, Annals of Statistics 2024), which is the
mixture sequential probability ratio test of Johari et al. (Operations Research 2022) turned around.
With V the variance of the difference, which falls as users come, and s the scale of the differences
looked for, let r = s^2 / V. Then with probability 1 - alpha the truth stays for all times within

    difference +- sqrt(V (r + 1) / r * 2 log(sqrt(r + 1) / alpha))

and above the difference minus sqrt(V (r + 1) / r * 2 log(1 + sqrt(r + 1) / (2 alpha))).
It is asymptotic: `benchmarks/experiments.py` measures how often it errs, also for rare successes
and for users who come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt

from recommender.experiments.arm_sums import ArmSums

USERS_MIN = 100
"""Users an arm before anything is said: the central limit theorem has to hold."""


@dataclass(frozen=True, slots=True)
class AlwaysValid:
    """B minus A: the difference, its confidence sequence as of now, and an always-valid p-value."""

    difference: float
    low: float
    high: float
    p_value: float


def radius(variance: float, scale: float, alpha: float) -> float:
    """Half the width of the two-sided confidence sequence; infinite while nothing is known."""
    if not 0 < variance < inf:
        return inf if variance else 0.0
    ratio = scale * scale / variance
    return sqrt(variance * (ratio + 1) / ratio * 2 * log(sqrt(ratio + 1) / alpha))


def one_sided_radius(variance: float, scale: float, alpha: float) -> float:
    """How far below the difference the one-sided confidence sequence begins."""
    if not 0 < variance < inf:
        return inf if variance else 0.0
    ratio = scale * scale / variance
    return sqrt(variance * (ratio + 1) / ratio * 2 * log(1 + sqrt(ratio + 1) / (2 * alpha)))


def p_value(difference: float, variance: float, scale: float) -> float:
    """1 / the likelihood ratio of the mixture against no difference, at most 1.

    It falls below alpha exactly when the confidence sequence at alpha leaves 0 out.
    """
    if not 0 < variance < inf:
        return 1.0
    ratio = scale * scale / variance
    exponent = difference * difference / (2 * variance) * ratio / (ratio + 1)
    return min(1.0, sqrt(ratio + 1) * exp(-min(exponent, 700.0)))


def always_valid(a: ArmSums, b: ArmSums, scale: float, alpha: float = 0.05,
                 users_min: int = USERS_MIN) -> AlwaysValid | None:
    """B minus A, to be looked at as often as one likes; None below `users_min` users in an arm.

    Args:
        scale: the size of differences that it should see soonest; others it sees too.

    Raises:
        ValueError: scale or alpha is not above 0.
    """
    if scale <= 0 or alpha <= 0:
        raise ValueError("scale and alpha have to be above 0")
    if min(a.users, b.users) < users_min or a.mean is None or b.mean is None:
        return None
    difference, variance = b.mean - a.mean, a.variance + b.variance
    reach = radius(variance, scale, alpha)
    return AlwaysValid(difference, difference - reach, difference + reach,
                       p_value(difference, variance, scale))
