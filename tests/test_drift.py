"""Drift: found when people change, quiet when they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.drift import CHANGES, Change, Population, compare
from recommender.audit.drift import (
    EventWindow,
    drift,
    kolmogorov_smirnov,
    psi,
    wasserstein,
)
from recommender.multiple_tests import benjamini_hochberg
from tests.fake_rollouts import InMemoryExperimentMetrics
from tests.web_world import Clock
from workers.drift import DriftJob

POPULATION = Population(1_500, seed=3)


def test_the_ks_statistic_is_scipys() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=300), rng.normal(0.1, 1.0, 400)
    statistic, p_value = kolmogorov_smirnov(one, other)
    expected = stats.ks_2samp(one, other, method="asymp")
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=0.1)


def test_wasserstein_is_scipys() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=50), rng.exponential(size=70)
    assert wasserstein(one, other) == pytest.approx(stats.wasserstein_distance(one, other))


def test_benjamini_hochberg_is_scipys() -> None:
    p_values = [0.01, 0.2, 0.03, 0.5, 0.04]
    assert benjamini_hochberg(p_values) == pytest.approx(
        stats.false_discovery_control(p_values, method="bh"))


def test_psi_of_one_mix_is_0_and_grows_with_what_moves() -> None:
    mix = np.array([0.2, 0.3, 0.5])
    assert psi(mix, mix) == 0.0
    assert 0 < psi(mix, np.array([0.25, 0.25, 0.5])) < psi(mix, np.array([0.4, 0.1, 0.5]))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_is_found_within_one_window(change: Change) -> None:
    report = compare(POPULATION, 5, change)
    assert change.expected in report.drifted and report.status == "FAIL"


def test_people_who_do_not_change_raise_no_alarm() -> None:
    reports = [compare(POPULATION, seed) for seed in range(10)]
    assert sum(report.status == "FAIL" for report in reports) <= 1
    assert [test.name for test in reports[0].tests] == [
        "ratings", "user_activity", "rating_distribution", "genre_mix", "hour_mix"]


def test_a_significant_difference_too_small_to_matter_is_no_drift() -> None:
    large = Population(20_000, seed=4)
    report = compare(large, 6, Change("slightly", rating_shift=-0.08))
    ratings = next(test for test in report.tests if test.name == "rating_distribution")
    assert ratings.p_adjusted < 0.05 and not ratings.drifted


def test_repeating_each_event_of_a_user_does_not_make_it_significant() -> None:
    rng = np.random.default_rng(7)

    def window() -> EventWindow:
        users = np.repeat(np.arange(150), 40)
        ratings = np.repeat(rng.integers(1, 6, 150).astype(float), 40)
        films = np.repeat(rng.integers(0, 5, 150), 40)
        hours = np.repeat(rng.integers(0, 24, 150), 40)
        return EventWindow(users, ratings, hours * 3_600_000, films)

    found = [drift(window(), window(), np.eye(5)) for _ in range(20)]
    for name in ("ratings", "rating_distribution", "genre_mix", "hour_mix"):
        significant = sum(t.p_value < 0.05 for report in found for t in report.tests
                          if t.name == name)
        assert significant <= 4, name


def test_few_people_are_no_data() -> None:
    few = EventWindow(np.arange(20), np.full(20, 3.0), np.zeros(20, int), np.zeros(20, int))
    assert drift(few, few, np.ones((1, 1))).status == "INSUFFICIENT_DATA"


class Retrains:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, reason: str, actor: str) -> None:
        self.asked.append((reason, actor))


def report(*drifted: str) -> dict[str, Any]:
    return {"drifted": list(drifted), "tests": [{"name": "ratings", "effect": 0.3}]}


def job(retrain: Retrains, newest_ms: int | None) -> tuple[DriftJob, InMemoryExperimentMetrics]:
    metrics = InMemoryExperimentMetrics()
    return DriftJob(("true",), 5, metrics, retrain, lambda: newest_ms, 3_600, Clock()), metrics


def test_a_drift_starts_a_retrain_that_says_why() -> None:
    retrain = Retrains()
    found, metrics = job(retrain, Clock().now_ms - 3_601_000)
    assert found.judge(report("ratings", "hour_mix"))
    assert retrain.asked == [("drift: ratings, hour_mix", "drift")]
    assert metrics.drifted == {"ratings": (0.3, True)}


def test_a_drift_soon_after_a_training_starts_none() -> None:
    retrain = Retrains()
    found, _ = job(retrain, Clock().now_ms - 60_000)
    assert not found.judge(report("ratings"))
    assert not retrain.asked


def test_no_drift_starts_nothing() -> None:
    retrain = Retrains()
    found, metrics = job(retrain, None)
    assert not found.judge(report())
    assert not retrain.asked and metrics.drifted == {"ratings": (0.3, False)}
