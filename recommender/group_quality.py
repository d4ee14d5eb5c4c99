"""How good the lists of groups of users are next to those of all, with care for their number.

Among many groups some lie below by chance. One is held to be below only where that stays unlikely
over all of them (Holm). Where hardly anyone of a group was served well, its resamples know too
little of what might have been: there the number of hits is judged too, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtr, betaincinv

from recommender.arrays import Bools, Float64s
from recommender.metrics import Measured, ratios_below
from recommender.multiple_tests import holm

_RESAMPLES = 4_000
"""So many that the least p-value can be told from chance among a hundred groups."""
FALSE_FAIL = 0.025
"""How often chance alone may fail any of the groups, all alike: one side of a 95 % interval."""
FEW_HITS = 20
"""Fewer users with a hit than this: resamples alone fail equal groups six times as often as meant
(`python -m benchmarks.group_parity`)."""

HITS_WITH_MEAN = 10
"""So many hits tell how high they stand in their lists."""


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
    hit_rate = float((gains > 0).mean())
    for at, group in enumerate(groups):
        people, hits = int(group.sum()), int((gains[group] > 0).sum())
        if hit_rate > 0 and people and hits < FEW_HITS:
            ratio, p_value = _of_few_hits(hits, people, hit_rate, least,
                                          _worth_of_hits(gains, group))
            p_values[at] = max(p_values[at], p_value)
            high = ratios[at].high
            ratios[at] = replace(ratios[at], high=ratio if high is None else max(high, ratio))
    return [GroupQuality(ratio, p_value, least)
            for ratio, p_value in zip(ratios, holm(p_values), strict=True)]


def _worth_of_hits(gains: Float64s, group: Bools) -> float:
    """Mean gain of a hit in the group / of all hits; 1 where they are too few for a mean."""
    of_group = gains[group & (gains > 0)]
    if len(of_group) < HITS_WITH_MEAN:
        return 1.0
    return float(of_group.mean() / gains[gains > 0].mean())


def _of_few_hits(hits: int, people: int, of_all: float, least: float,
                 worth: float) -> tuple[float, float]:
    """The highest ratio that so few hits leave possible (Clopper and Pearson 1934, one side of
    95 %), and how likely so few are where the ratio is `least`. With hits that are worth `worth`
    times those of all, the ratio of hit rates is that of the gains / `worth`."""
    highest = 1.0 if hits == people else float(betaincinv(hits + 1, people - hits, 0.975))
    return highest * worth / of_all, float(bdtr(hits, people, min(1.0, least * of_all / worth)))
