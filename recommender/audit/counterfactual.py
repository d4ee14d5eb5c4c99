"""What another way of drawing films would have earned, from logged draws and their propensities.

Self-normalised inverse propensity scoring (SNIPS; Swaminathan and Joachims, NIPS 2015). Only places
of a list that chance filled can tell: where a film had probability 1, nothing else was tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from recommender.arrays import Float64s, Int64s
from recommender.errors import InvalidField

LEAST_EFFECTIVE = 30.0
"""Below this effective number of draws the interval says nothing."""


class Draw(NamedTuple):
    """One film put on a list by chance: its place from 0, its propensity, whether it was taken."""

    item_id: str
    place: int
    propensity: float
    taken: bool


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Mean reward of a draw under another policy, with its 95 % interval.

    draws: how many were logged. effective: (sum w)^2 / sum w^2, the number of draws of the policy
    itself that would tell as much; below `LEAST_EFFECTIVE`, low and high are None.
    """

    value: float
    low: float | None
    high: float | None
    draws: int
    effective: float


def draws_of(item_ids: Sequence[str], propensities: Sequence[float] | None,
             taken: Collection[str]) -> Iterator[Draw]:
    """The draws of one logged answer, none when chance had no part in it.

    Args:
        item_ids: films of the list. propensities: as logged with it, None where nothing was drawn.
        taken: films that the user took within the window of success.
    """
    for place, (film, propensity) in enumerate(zip(item_ids, propensities or (), strict=False)):
        if propensity < 1.0:
            yield Draw(film, place, propensity, film in taken)


def snips(rewards: Float64s, propensities: Float64s, target: Float64s,
          users: Int64s) -> Counterfactual:
    """V = sum w r / sum w with w = target / propensity.

    The interval is that of the linearised ratio, whose residuals w (r - V) are summed over the
    draws of one user first, since these hang together; Student's t over users.

    Args:
        rewards: float64 of shape (n,), what each draw earned.
        propensities: float64 of shape (n,), in (0, 1], with which it was drawn.
        target: float64 of shape (n,), in [0, 1], with which the other policy draws the same film.
        users: int64 of shape (n,), whose list it was.

    Raises:
        InvalidField: a propensity or target outside its range, or lengths that differ.
    """
    if not len(rewards) == len(propensities) == len(target) == len(users):
        raise InvalidField("propensities", "rewards, propensities, targets and users must be of "
                                           "one length")
    if not ((propensities > 0) & (propensities <= 1)).all():
        raise InvalidField("propensities", "must be above 0 and at most 1")
    if not ((target >= 0) & (target <= 1)).all():
        raise InvalidField("target", "must be from 0 to 1")
    weights = target / propensities
    total = float(weights.sum())
    if total == 0.0:
        return Counterfactual(0.0, None, None, len(rewards), 0.0)
    value = float(weights @ rewards) / total
    effective = total**2 / float(weights @ weights)
    _, of_user = np.unique(users, return_inverse=True)
    residuals = np.bincount(of_user, weights * (rewards - value))
    n = len(residuals)
    if effective < LEAST_EFFECTIVE or n < 2:
        return Counterfactual(value, None, None, len(rewards), effective)
    error = float(np.sqrt(n / (n - 1) * (residuals @ residuals))) / total
    half = float(student.ppf(0.975, n - 1)) * error
    return Counterfactual(value, value - half, value + half, len(rewards), effective)
