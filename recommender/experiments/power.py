"""Before the start: how many users an experiment needs, and what it can find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

from scipy.special import ndtri

from recommender.experiments.sequential import radius


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """What an experiment needs and can find; None where the base is not known or too near an end.

    base: success of A. relative_effect: the change of it that users are needed for, in both arms
    together. detectable: (users in both arms, least rise of success that the z-test finds).
    """

    base: float | None
    relative_effect: float
    share_b: float
    needed_users_z_test: int | None
    needed_users_always_valid: int | None
    detectable: tuple[tuple[int, float | None], ...]


def power_plan(base: float | None, relative_effect: float, users: Sequence[int],
               share_b: float = 0.5) -> PowerPlan:
    """For a power of 80 % at 5 %; `users` are the numbers to tell detectable rises for."""
    if base is None or not 0 < base < 1 or base * (1 + relative_effect) >= 1:
        return PowerPlan(base, relative_effect, share_b, None, None,
                         tuple((count, None) for count in users))
    effect = base * relative_effect
    found = ((count, detectable_effect(base, count, share_b)) for count in users)
    return PowerPlan(
        base, relative_effect, share_b, needed_users(base, effect, share_b),
        needed_users_always_valid(base, effect, share_b),
        tuple((count, rise if isfinite(rise) else None) for count, rise in found))


def standard_error(base: float, effect: float, users: float, share_b: float) -> float:
    """Of the difference of two proportions, `users` in all, a part `share_b` of them in B."""
    other = base + effect
    return sqrt((base * (1 - base) / (1 - share_b) + other * (1 - other) / share_b) / users)


def needed_users(base: float, effect: float, share_b: float = 0.5, alpha: float = 0.05,
                 power: float = 0.8) -> int:
    """Users in both arms together that the z-test needs to find `effect` with this power.

    Raises:
        ValueError: a rate is outside (0, 1), or the effect is 0.
    """
    _check(base, effect, share_b)
    reach = float(ndtri(1 - alpha / 2) + ndtri(power))
    return int((reach * standard_error(base, effect, 1.0, share_b) / effect) ** 2) + 1


def needed_users_always_valid(base: float, effect: float, share_b: float = 0.5,
                              alpha: float = 0.05, power: float = 0.8) -> int:
    """The same for the always-valid test whose scale is `effect`, looked at all the way.

    Rejecting at the last look alone is counted, so that it needs no more than this.
    """
    _check(base, effect, share_b)

    def found(users: int) -> bool:
        error = standard_error(base, effect, users, share_b)
        reach = radius(error * error, abs(effect), alpha)
        return abs(effect) - float(ndtri(power)) * error >= reach

    low, high = 1, 2
    while not found(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def detectable_effect(base: float, users: int, share_b: float = 0.5, alpha: float = 0.05,
                      power: float = 0.8) -> float:
    """The least rise over `base` that the z-test finds with this power; inf when there is none."""
    if users < 1:
        return inf
    low, high = 0.0, 1.0 - base - 1e-12
    reach = float(ndtri(1 - alpha / 2) + ndtri(power))
    if high <= reach * standard_error(base, high, users, share_b):
        return inf
    for _ in range(60):
        middle = (low + high) / 2
        if middle <= reach * standard_error(base, middle, users, share_b):
            low = middle
        else:
            high = middle
    return high


def _check(base: float, effect: float, share_b: float) -> None:
    if not (0 < base < 1 and 0 < base + effect < 1 and 0 < share_b < 1) or effect == 0:
        raise ValueError("rates and the share of B have to lie in (0, 1), and the effect is not 0")
