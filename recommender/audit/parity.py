"""Whether groups of people are served alike: spread of a mean over groups, ratio to all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recommender.arrays import Bools, Float64s
from recommender.audit.groups import Group
from recommender.audit.multiple_tests import holm
from recommender.audit.verdicts import AuditStatus, by_interval
from recommender.metrics import Measured, ratios_below

_RESAMPLES = 1_000
_LEVELS = (0.025, 0.975)
_RATIO_RESAMPLES = 4_000
"""So many that the least p-value can be told from chance among a hundred groups."""
FALSE_FAIL = 0.025
"""How often chance alone may fail any of the groups, all alike: one side of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What one group gets. diversity: of its lists. quality: its NDCG / that of all.

    quality_p: p-value of its being below what is required by chance, adjusted for the number of
    groups judged.
    """

    family: str
    name: str
    people: int
    status: AuditStatus
    diversity: Measured | None = None
    quality: Measured | None = None
    quality_p: float | None = None


class GroupRatio(NamedTuple):
    """A group's NDCG / that of all. p_value: of its being below what is required by chance,
    adjusted for the number of groups judged; None where it is not judged."""

    status: AuditStatus
    measured: Measured | None
    p_value: float | None


_UNKNOWN = GroupRatio(AuditStatus.INSUFFICIENT_DATA, None, None)


def spread_over_groups(values: Sequence[Float64s], seed: int = 0) -> Measured:
    """max - min over groups of their means, with a 95 % bootstrap interval over people.

    The plain spread is biased upward, since chance alone makes means differ, the more the smaller
    the groups are. What the bootstrap estimates of that bias is taken off (Efron and Tibshirani
    1993, chapter 10); part of it stays where all groups are alike.

    Args:
        values: for each group one value a person; at least two groups, none empty.
    """
    plain = float(_spread(np.array([[group.mean()] for group in values]))[0])
    means = np.array([_resampled_means(group, seed + n) for n, group in enumerate(values)])
    drawn = _spread(means)
    corrected = max(0.0, 2.0 * plain - float(drawn.mean()))
    low, high = np.quantile(drawn - drawn.mean(), _LEVELS)
    return Measured(corrected, max(0.0, corrected + float(low)), corrected + float(high))


def group_results(
    groups: Sequence[Group], diversity: Float64s, gains: Float64s | None, least: int,
    ratio_min: float,
) -> list[GroupResult]:  # fmt: skip
    """Diversity and quality of each group; the status is that of the quality, see `judge_ratios`.

    Args:
        diversity: float64 of shape (n_lists,), NaN for a list that has none.
        gains: NDCG@k of each list, None where it is not known what people took next.
        least: people that a group needs.
        ratio_min: least ratio of a group's mean NDCG to that of all.
    """
    judged = [] if gains is None else [g for g in groups if int(g.members.sum()) >= least]
    ratios = {} if gains is None else dict(zip(map(id, judged), judge_ratios(
        gains, [group.members for group in judged], ratio_min), strict=True))
    found = []
    for group in groups:
        ratio = ratios.get(id(group), _UNKNOWN)
        known = diversity[group.members & ~np.isnan(diversity)]
        found.append(GroupResult(
            group.family, group.name, int(group.members.sum()), ratio.status,
            mean_over_people(known) if len(known) >= least else None, ratio.measured,
            ratio.p_value))
    return found


def judge_ratios(gains: Float64s, groups: Sequence[Bools], ratio_min: float) -> list[GroupRatio]:
    """Mean NDCG of each group / that of all, held against `ratio_min`.

    Among many groups some lie below by chance. One fails only where that stays unlikely over all
    of them (Holm); else what its own interval would fail is inconclusive. That all pass needs no
    such care: each of them must (Berger, Technometrics 1982).

    Args:
        gains: float64 of shape (n_lists,).
        groups: bool of shape (n_lists,) each; large enough to be judged.
    """
    if not groups:
        return []
    measured, p_values = ratios_below(gains, np.array(groups), ratio_min, _RATIO_RESAMPLES)
    found = []
    for ratio, p_value in zip(measured, holm(p_values), strict=True):
        status = by_interval(ratio, ratio_min, at_least=True)
        if status is AuditStatus.FAIL and p_value >= FALSE_FAIL:
            status = AuditStatus.INCONCLUSIVE
        found.append(GroupRatio(status, ratio, p_value))
    return found


def mean_over_people(values: Float64s, seed: int = 0) -> Measured:
    """Mean with its percentile bootstrap interval, for values that hardly repeat; none empty."""
    low, high = np.quantile(_resampled_means(values, seed), _LEVELS)
    return Measured(float(values.mean()), float(low), float(high))


def _spread(means: Float64s) -> Float64s:
    found: Float64s = means.max(axis=0) - means.min(axis=0)
    return found


def _resampled_means(values: Float64s, seed: int) -> Float64s:
    random, n = np.random.default_rng(seed), len(values)
    parts = []
    step = max(1, 2_000_000 // n)
    for start in range(0, _RESAMPLES, step):
        drawn = random.integers(0, n, (min(step, _RESAMPLES - start), n))
        parts.append(values[drawn].mean(axis=1))
    return np.concatenate(parts)
