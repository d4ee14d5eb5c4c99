"""Minutes of traffic are differences of totals; percentiles come from buckets."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.traffic import MINUTES_KEPT, TrafficHistory, TrafficTotals, quantile

BOUNDS = (0.001, 0.01, 0.1, math.inf)
MINUTE = 60_000


def totals(*below: int, accepted: int = 0, applied: int = 0) -> TrafficTotals:
    return TrafficTotals(BOUNDS, below, accepted, applied)


def test_nothing_is_told_before_a_second_sample() -> None:
    history = TrafficHistory()
    assert history.minutes() == []
    history.sample(MINUTE, totals(1, 1, 1, 1))
    assert history.minutes() == []


def test_a_minute_is_what_came_since_the_one_before() -> None:
    history = TrafficHistory()
    history.sample(MINUTE * 10, TrafficTotals())
    history.sample(MINUTE * 10 + 30_000, totals(0, 60, 60, 60, accepted=5, applied=4))
    history.sample(MINUTE * 11 + 30_000, totals(60, 120, 120, 120, accepted=6, applied=6))
    first, second = history.minutes()
    assert (first.start_ms, second.start_ms) == (MINUTE * 10, MINUTE * 11)
    assert first.requests_per_s == 2 and second.requests_per_s == 1
    assert first.p50_s == pytest.approx(0.0055) and second.p50_s == pytest.approx(0.0005)
    assert [(m.accepted, m.applied) for m in (first, second)] == [(5, 4), (1, 2)]


def test_later_samples_of_a_minute_take_the_place_of_earlier_ones() -> None:
    history = TrafficHistory()
    for at_s in range(0, 130, 10):
        history.sample(at_s * 1000, totals(at_s, at_s, at_s, at_s))
    assert [m.requests_per_s for m in history.minutes()] == [1, 1, 1]
    assert [m.start_ms for m in history.minutes()] == [0, MINUTE, 2 * MINUTE]


def test_a_quiet_minute_has_no_percentile() -> None:
    history = TrafficHistory()
    for minute in range(3):
        history.sample(minute * MINUTE, totals(7, 7, 7, 7))
    told = [(m.p50_s, m.p95_s, m.requests_per_s) for m in history.minutes()]
    assert told == [(None, None, 0)] * 2


def test_an_hour_is_kept() -> None:
    history = TrafficHistory()
    for minute in range(200):
        history.sample(minute * MINUTE, totals(minute, minute, minute, minute))
    minutes = history.minutes()
    assert len(minutes) == MINUTES_KEPT and minutes[-1].start_ms == 199 * MINUTE


@pytest.mark.parametrize(("below", "share", "seconds"), [
    ((10, 10, 10, 10), 0.5, 0.0005), ((0, 10, 10, 10), 1.0, 0.01), ((0, 0, 0, 10), 0.5, 0.1),
    ((5, 10, 10, 10), 0.5, 0.001), ((0, 0, 0, 0), 0.5, None), ((0, 0, 4, 4), 0.25, 0.0325),
])
def test_a_percentile_is_spread_evenly_over_its_bucket(
    below: tuple[int, ...], share: float, seconds: float | None
) -> None:
    found = quantile(BOUNDS, below, share)
    assert found == (None if seconds is None else pytest.approx(seconds))


@given(st.lists(st.floats(0.0001, 0.0999), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(times: list[float], share: float) -> None:
    below = [sum(t <= bound for t in times) for bound in BOUNDS]
    true = sorted(times)[max(math.ceil(share * len(times)) - 1, 0)]
    bucket = bisect_left(BOUNDS, true)
    found = quantile(BOUNDS, below, share)
    assert found is not None
    rounding = 1e-12
    lower = BOUNDS[bucket - 1] if bucket else 0
    assert lower - rounding <= found <= BOUNDS[bucket] + rounding
