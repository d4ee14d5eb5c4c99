"""Verdicts on many groups at once: adjusted p-values, and what they decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.group_parity import failed
from recommender.arrays import Float64s
from recommender.audit.groups import Group
from recommender.audit.parity import group_results
from recommender.audit.verdicts import AuditStatus
from recommender.group_quality import FALSE_FAIL, group_qualities
from recommender.metrics import ratios_below
from recommender.multiple_tests import holm

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def rejected_by_hand(p_values: list[float], alpha: float) -> set[int]:
    """Step down: the least against alpha / n, the next against alpha / (n - 1), until one fails."""
    found: set[int] = set()
    for step, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[at] * (len(p_values) - step) > alpha:
            break
        found.add(at)
    return found


@given(P_VALUES, st.floats(0.001, 0.5))
def test_adjusted_p_values_reject_what_stepping_down_rejects(
    p_values: list[float], alpha: float
) -> None:
    adjusted = holm(p_values)
    assert {at for at, p in enumerate(adjusted) if p <= alpha} == rejected_by_hand(p_values, alpha)


@given(P_VALUES)
def test_adjusting_never_lowers_a_p_value_and_never_exceeds_bonferroni(
    p_values: list[float]
) -> None:
    n = len(p_values)
    for before, after in zip(p_values, holm(p_values), strict=True):
        assert before <= after <= min(1.0, n * before) or after == pytest.approx(n * before)
    assert holm([]) == [] and holm([0.02]) == [0.02]


def test_the_p_value_of_a_group_is_the_share_of_resamples_that_are_not_below() -> None:
    random = np.random.default_rng(1)
    gains, group = random.random(60), np.arange(60) < 25
    gains[group] *= 0.8
    (ratio,), (p_value,) = ratios_below(gains, group[None, :], 0.9, 3_000)
    drawn = []
    for _ in range(3_000):
        rows = random.integers(0, 60, 60)
        drawn.append(gains[rows[group[rows]]].mean() / gains[rows].mean())
    assert p_value == pytest.approx(np.mean(np.array(drawn) >= 0.9), abs=0.03)
    assert [ratio] == ratios_below(gains, group[None, :], 0.0, 3_000)[0]
    nobody = np.zeros((1, 60), np.bool_)
    assert ratios_below(gains, nobody, 0.9)[1] == [1.0] == ratios_below(gains * 0, nobody, 0.9)[1]


def groups_with(low: int, others: int) -> tuple[list[Group], Float64s]:
    """One group that does somewhat worse, and so many others among 1,200 people who do alike."""
    sizes = [low, *[1_200 // others] * others]
    of_group = np.repeat(np.arange(len(sizes)), sizes)
    gains = (np.arange(len(of_group)) % 2).astype(np.float64)
    gains[of_group == 0] = (np.arange(low) % 10 < 3).astype(np.float64)  # .3 instead of .5
    return [Group("age", str(n), of_group == n) for n in range(len(sizes))], gains


def test_a_group_that_fails_alone_is_inconclusive_among_many() -> None:
    found = []
    for others in (1, 30):
        groups, gains = groups_with(80, others)
        row = group_results(groups, np.full(len(gains), np.nan), gains, 30, 0.9)[0]
        assert row.quality is not None and row.quality.high is not None
        assert row.quality.high < 0.9 and row.quality_p is not None
        assert (row.quality_p < FALSE_FAIL) == (row.status is AuditStatus.FAIL)
        found.append(row.status)
    assert found == [AuditStatus.FAIL, AuditStatus.INCONCLUSIVE]


def test_a_group_that_is_far_below_fails_among_many_too() -> None:
    groups, gains = groups_with(200, 30)
    rows = group_results(groups, np.full(len(gains), np.nan), gains, 30, 0.9)
    assert rows[0].status is AuditStatus.FAIL
    assert all(row.status is not AuditStatus.FAIL for row in rows[1:])


def test_chance_alone_fails_a_group_more_rarely_than_by_intervals_alone() -> None:
    any_fails, alone, _ = np.sum([failed(600, 1.0, 0.0, seed) for seed in range(20)], axis=0)
    assert any_fails <= 3 < alone


def one_of(people: int, hits: int, of_all: float) -> tuple[Float64s, np.ndarray]:
    """Gains of a group and of 2,000 others, of whom such a share was served well."""
    gains = np.zeros(people + 2_000)
    gains[:hits] = 1.0
    gains[people:people + round(of_all * 2_000)] = 1.0
    return gains, np.arange(people + 2_000) < people


def test_a_group_with_as_many_hits_that_all_stand_last_is_certain_to_be_below() -> None:
    random = np.random.default_rng(3)
    gains = np.where(random.random(2_060) < 0.3, 1 / np.log2(random.integers(2, 5, 2_060)), 0.0)
    group = np.arange(2_060) < 60
    gains[:60] = np.where(np.arange(60) < 18, 1 / np.log2(11), 0.0)
    (quality,) = group_qualities(gains, [group], 0.9)
    assert quality.certainly_below
    assert quality.ratio.high is not None and quality.ratio.high < 0.9


@pytest.mark.parametrize(("people", "hits", "of_all", "certain"), [
    (30, 0, 0.05, False), (30, 0, 0.3, True), (40, 1, 0.08, False), (40, 1, 0.3, True),
    (300, 0, 0.05, True)])
def test_few_hits_are_certain_to_be_below_only_when_so_few_are_unlikely(
    people: int, hits: int, of_all: float, certain: bool
) -> None:
    gains, group = one_of(people, hits, of_all)
    (quality,) = group_qualities(gains, [group], 0.9)
    share = 0.9 * gains.mean()
    so_few = sum(math.comb(people, n) * share**n * (1 - share) ** (people - n)
                 for n in range(hits + 1))
    assert (so_few < FALSE_FAIL) == certain == quality.certainly_below
    assert quality.p_value >= so_few * (1 - 1e-9)
    assert quality.ratio.high is not None and quality.ratio.high > 0
    if not hits:  # the rule of three, exactly: (1 - p) ** n is what chance leaves
        highest = quality.ratio.high * gains.mean()
        assert (1 - highest) ** people == pytest.approx(0.025)
