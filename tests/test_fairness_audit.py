"""The table of requirements: values recomputed, verdicts by their rules, laws of the measures."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.audit.fairness import AuditedLists, FairnessReport, audit_fairness
from recommender.audit.groups import Group, judged_groups
from recommender.audit.parity import spread_over_groups
from recommender.audit.verdicts import AuditPolicy, AuditStatus, by_interval, worst
from recommender.metrics import Measured, gini
from recommender.types import Person
from recommender.user_groups import activity_groups, demographic_groups

FILMS, K = 60, 5
POLICY = AuditPolicy(lists=100, group_least=10)


def lists_of(n: int = 80, seed: int = 0, **changes: object) -> AuditedLists:
    random = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, FILMS + 1)
    shown = np.array([random.choice(FILMS, K, replace=False, p=weights / weights.sum())
                      for _ in range(n)]).reshape(n, K).astype(np.int64)
    masks = np.zeros((3, FILMS), np.bool_)
    masks[np.arange(FILMS) % 3, np.arange(FILMS)] = True
    base = AuditedLists(shown, np.arange(FILMS)[::-1].copy(), ("A", "B", "C"), masks,
                        judged_groups(activity_groups(np.arange(n) % 45)), n)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def status(report: FairnessReport, name: str) -> AuditStatus:
    return report.requirement(name).status


def test_the_measures_are_those_of_the_lists() -> None:
    lists = lists_of()
    report = audit_fairness(lists, POLICY)
    counts = Counter(lists.shown.ravel().tolist())
    ordered = sorted(counts.values(), reverse=True)
    value = {row.name: row.measured.value for row in report.requirements if row.measured}
    assert value["coverage"] == pytest.approx(len(counts) / FILMS)
    assert value["tail_share"] == pytest.approx(
        1 - sum(ordered[: max(1, len(ordered) // 10)]) / (80 * K))
    assert value["top_share"] == pytest.approx(1 - value["tail_share"])
    assert value["top_films_share"] == pytest.approx(sum(ordered[:10]) / (80 * K))
    assert value["gini"] == pytest.approx(gini([counts[n] for n in range(FILMS)]))
    assert value["shown_gini"] == pytest.approx(gini(ordered))
    per_list = [1 - sum(a % 3 == b % 3 for a, b in itertools.combinations(row, 2)) / 10
                for row in lists.shown.tolist()]
    assert value["diversity"] == pytest.approx(sum(per_list) / 80)
    for row in report.requirements:
        if row.measured and row.measured.low is not None and row.name != "quality_parity":
            assert row.measured.low <= row.measured.value <= (row.measured.high or 0)
    genre = report.genres[1]
    assert genre.recommendation_share == pytest.approx(
        sum(n for film, n in counts.items() if film % 3 == 1) / (80 * K))
    assert genre.catalogue_share == pytest.approx(1 / 3)


def test_exposure_is_judged_by_its_value_at_the_number_of_lists() -> None:
    report = audit_fairness(lists_of(), POLICY)
    for name, bound, at_least in (("coverage", "coverage_min", True), ("gini", "gini_max", False),
                                  ("top_share", "top_share_max", False)):
        value = report.requirement(name).measured.value  # type: ignore[union-attr]
        for threshold in (value - 0.01, value + 0.01):
            policy = dataclasses.replace(POLICY, **{bound: threshold})
            good = value >= threshold if at_least else value <= threshold
            found = status(audit_fairness(lists_of(), policy), name)
            assert found is (AuditStatus.PASS if good else AuditStatus.FAIL)
    assert report.requirement("top_films_share").threshold is None


def test_lists_of_too_few_of_the_people_are_insufficient() -> None:
    for people, expected in ((80, AuditStatus.PASS), (81, AuditStatus.INSUFFICIENT_DATA)):
        report = audit_fairness(lists_of(people=people), dataclasses.replace(
            POLICY, coverage_min=0.1))
        assert status(report, "coverage") is expected


def test_more_lists_than_judged_are_drawn_down_and_noted() -> None:
    report = audit_fairness(lists_of(n=150), POLICY)
    assert report.lists == 100 and "drawn" in report.notes[0]
    assert report.curve[-1].lists == 100


def test_nothing_shown_is_insufficient_everywhere() -> None:
    report = audit_fairness(lists_of(n=0), POLICY)
    assert {row.status for row in report.requirements} == {AuditStatus.INSUFFICIENT_DATA}
    assert report.curve == ()


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_coverage_grows_with_the_lists_along_the_curve(seed: int) -> None:
    curve = audit_fairness(lists_of(seed=seed), POLICY).curve
    covered = [point.coverage for point in curve]
    assert covered == sorted(covered) and [p.lists for p in curve] == [10, 20, 50, 80]


def test_groups_below_the_least_are_insufficient() -> None:
    people = {f"u{n}": Person(f"u{n}", "F" if n < 9 else "M", 30) for n in range(80)}
    groups = judged_groups(demographic_groups([f"u{n}" for n in range(80)], people))
    gains = np.where(np.arange(80) < 40, 0.5, 1.0)
    report = audit_fairness(lists_of(groups=groups, gains=gains, gain_groups=groups), POLICY)
    rows = {(row.family, row.name): row for row in report.groups}
    assert rows["gender", "F"].status is AuditStatus.INSUFFICIENT_DATA
    assert rows["gender", "M"].quality is not None and rows["age", "25-34"].people == 80
    assert rows["age", "25-34"].status is AuditStatus.PASS


def test_quality_parity_fails_only_for_what_is_certain_and_is_never_enforced() -> None:
    random = np.random.default_rng(0)
    half = np.arange(200) < 100
    groups = (Group("gender", "F", half), Group("gender", "M", ~half))
    even = (random.random(200) < 0.2).astype(float)
    far = np.where(half, 0.2, 1.0)
    for gains, expected in ((np.ones(200), AuditStatus.PASS), (far, AuditStatus.FAIL),
                            (even, AuditStatus.INCONCLUSIVE)):
        lists = lists_of(gains=gains, gain_groups=groups)
        row = audit_fairness(lists, POLICY).requirement("quality_parity")
        assert row.status is expected and row.lists == 200 and not row.enforced


def test_the_report_says_what_is_enforced() -> None:
    strict = dataclasses.replace(POLICY, enforced=frozenset({"diversity", "coverage"}))
    report = audit_fairness(lists_of(), strict)
    assert [row.name for row in report.requirements if row.enforced] == ["coverage", "diversity"]
    assert {row.name for row in report.requirements if row.target} == {
        "tail_share", "shown_gini", "top_share"}


def test_stand_ins_judge_a_group_that_has_no_people() -> None:
    lists = lists_of(groups=judged_groups(activity_groups(np.full(80, 40))))
    assert status(audit_fairness(lists, POLICY), "diversity_parity") is (
        AuditStatus.INSUFFICIENT_DATA)
    same = np.tile(np.array([0, 3, 6, 9, 12]), (40, 1))  # one genre
    found = audit_fairness(dataclasses.replace(lists, stand_ins=same, stand_in_group="low"),
                           POLICY).requirement("diversity_parity")
    assert found.status is AuditStatus.FAIL and found.measured is not None


def test_chance_weighs_less_in_the_spread_over_groups() -> None:
    random = np.random.default_rng(5)
    found = [spread_over_groups([random.normal(0, 1, 40) for _ in range(4)], seed)
             for seed in range(60)]
    plain = [np.ptp([random.normal(0, 1, 40).mean() for _ in range(4)]) for _ in range(2000)]
    corrected = np.mean([one.value for one in found])
    assert corrected < 0.8 * np.mean(plain)  # the truth is 0
    wide = spread_over_groups([random.normal(n, 1, 400) for n in range(3)])
    assert wide.value == pytest.approx(2.0, abs=0.2)
    assert wide.low is not None and wide.high is not None and wide.low < 2.0 < wide.high


def test_an_interval_decides_by_its_ends() -> None:
    assert by_interval(Measured(0.95, 0.91, 0.99), 0.9, True) is AuditStatus.PASS
    assert by_interval(Measured(0.95, 0.89, 0.99), 0.9, True) is AuditStatus.INCONCLUSIVE
    assert by_interval(Measured(0.8, 0.7, 0.89), 0.9, True) is AuditStatus.FAIL
    assert by_interval(Measured(0.1, 0.05, 0.15), 0.15, False) is AuditStatus.INCONCLUSIVE
    assert by_interval(Measured(0.1), 0.15, False) is AuditStatus.INSUFFICIENT_DATA
    assert worst([]) is AuditStatus.INSUFFICIENT_DATA
    assert worst([AuditStatus.PASS, AuditStatus.INSUFFICIENT_DATA]) is AuditStatus.PASS
    assert worst([AuditStatus.PASS, AuditStatus.FAIL]) is AuditStatus.FAIL
