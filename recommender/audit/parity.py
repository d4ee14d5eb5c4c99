"""Whether groups of people are served alike: spread of a mean over groups, ratio to all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.arrays import Float64s
from recommender.audit.groups import Group
from recommender.audit.verdicts import AuditStatus, by_interval
from recommender.group_quality import GroupQuality, group_qualities
from recommender.metrics import Measured

_RESAMPLES = 1_000
_LEVELS = (0.025, 0.975)


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
    """Diversity and quality of each group; the status is that of the quality.

    Among many groups some lie below by chance: what its own interval alone would fail is
    inconclusive (`group_quality`). That all pass needs no such care: each of them must (Berger,
    Technometrics 1982).

    Args:
        diversity: float64 of shape (n_lists,), NaN for a list that has none.
        gains: NDCG@k of each list, None where it is not known what people took next.
        least: people that a group needs.
        ratio_min: least ratio of a group's mean NDCG to that of all.
    """
    judged = [group for group in groups if int(group.members.sum()) >= least]
    qualities: dict[int, GroupQuality] = {}
    if gains is not None:
        found_qualities = group_qualities(gains, [group.members for group in judged], ratio_min)
        qualities = {id(group): one for group, one in zip(judged, found_qualities, strict=True)}
    found = []
    for group in groups:
        quality = qualities.get(id(group))
        known = diversity[group.members & ~np.isnan(diversity)]
        found.append(GroupResult(
            group.family, group.name, int(group.members.sum()), _status(quality),
            mean_over_people(known) if len(known) >= least else None,
            quality.ratio if quality else None, quality.p_value if quality else None))
    return found


def _status(quality: GroupQuality | None) -> AuditStatus:
    if quality is None:
        return AuditStatus.INSUFFICIENT_DATA
    alone = by_interval(quality.ratio, quality.least, at_least=True)
    if alone is AuditStatus.FAIL and not quality.certainly_below:
        return AuditStatus.INCONCLUSIVE
    return alone


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
