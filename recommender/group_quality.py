"""How good the lists of groups of users are next to those of all, with care for their number.

Among many groups some lie below by chance. One is held to be below only where that stays unlikely
over all of them (Holm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools, Float64s
from recommender.metrics import Measured, ratios_below
from recommender.multiple_tests import holm

_RESAMPLES = 4_000
"""So many that the least p-value can be told from chance among a hundred groups."""
FALSE_FAIL = 0.025
"""How often chance alone may fail any of the groups, all alike: one side of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class GroupQuality:
    """Mean of a group / mean of all users.

    p_value: of its being below `least` by chance, adjusted for the number of groups.
    """

    ratio: Measured
    p_value: float
    least: float

    @property
    def certainly_below(self) -> bool:
        """Whether its own interval and the p-value over all groups both say so."""
        high = self.ratio.high
        return high is not None and high < self.least and self.p_value < FALSE_FAIL


def group_qualities(gains: Float64s, groups: Sequence[Bools], least: float) -> list[GroupQuality]:
    """The quality of each group.

    Args:
        gains: float64 of shape (n_users,), NDCG@k of each list.
        groups: for each group bool of shape (n_users,).
        least: ratio that no group may be certain to lie below.
    """
    if not groups:
        return []
    ratios, p_values = ratios_below(gains, np.array(groups), least, _RESAMPLES)
    return [GroupQuality(ratio, p_value, least)
            for ratio, p_value in zip(ratios, holm(p_values), strict=True)]
