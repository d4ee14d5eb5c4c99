"""The scan of events against a plain recomputation, and what each detector finds and leaves."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.audit.anomaly_scan import AnomalyScan, mad_threshold

USERS = st.one_of(st.integers(0, 6), st.integers(0, 6).map(str), st.none(), st.just(""))
EVENTS = st.fixed_dictionaries(
    {}, optional={"user_id": USERS, "movie_id": st.one_of(st.integers(0, 5), st.none()),
                  "item_id": st.integers(0, 5).map(str),
                  "rating": st.one_of(st.integers(1, 5), st.just("4.5"), st.none()),
                  "timestamp": st.integers(1_700_000_000, 1_700_020_000)})


def report_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    scan = AnomalyScan()
    for event in events:
        scan.add(event)
    return scan.report(0)


def flagged(report: dict[str, Any], name: str) -> list[str]:
    return [row.get("user_id") or row["item_id"] for row in report["detectors"][name]["flagged"]]


def is_bad(event: dict[str, Any]) -> bool:
    missing = (None, "")
    return event.get("user_id") in missing or (
        event.get("movie_id") in missing and event.get("item_id") in missing)


@given(st.lists(EVENTS, max_size=200))
def test_the_baseline_agrees_with_a_plain_recomputation(events: list[dict[str, Any]]) -> None:
    scan = AnomalyScan()
    for event in events:
        scan.add(event)
    good = [event for event in events if not is_bad(event)]
    assert scan.usable == bool(good)
    if not good:
        return
    report = scan.report(2)
    counts = Counter(str(event["user_id"]) for event in good)
    mean, sd = statistics.fmean(counts.values()), statistics.pstdev(counts.values())
    assert report["total_events"] == len(good)
    assert report["unique_users"] == len(counts)
    assert report["schema_errors"] == len(events) - len(good)
    assert report["lines_unreadable"] == 2
    assert math.isclose(report["mean_events_per_user"], mean, rel_tol=1e-12)
    assert math.isclose(report["std_events_per_user"], sd, rel_tol=1e-12, abs_tol=1e-12)
    assert math.isclose(report["threshold"], mean + 3 * sd, rel_tol=1e-12)
    assert {row["user_id"]: row["count"] for row in report["flagged_users"]} == {
        user: n for user, n in counts.items() if n > mean + 3 * sd}
    for row in report["flagged_users"]:
        assert math.isclose(row["multiple"], row["count"] / mean, rel_tol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40_000)), max_size=250))
def test_velocity_in_an_ordered_log_is_that_of_every_sliding_hour(
    log: list[tuple[int, int]]
) -> None:
    log.sort(key=lambda pair: pair[1])
    events = [{"user_id": u, "item_id": 1, "timestamp": t + 1_700_000_000} for u, t in log]
    times = defaultdict(list)
    for user, at in log:
        times[str(user)].append(at)
    expected = {
        user: sum(n >= 20 and own[n] - own[n - 20] <= 3600 for n in range(len(own)))
        for user, own in times.items()}
    found = report_of([*events, {"user_id": "last", "item_id": 1}])
    assert {row["user_id"]: row["count"] for row in found["detectors"]["velocity"]["flagged"]} == {
        user: n for user, n in expected.items() if n}


@given(st.permutations(range(40)))
def test_events_out_of_order_raise_no_false_alarm_of_velocity(order: list[int]) -> None:
    events = [{"user_id": 1, "item_id": 1, "timestamp": 1_700_000_000 + 200 * n} for n in order]
    assert flagged(report_of(events), "velocity") == []  # 19 an hour


def test_the_outliers_do_not_hide_themselves_from_the_median() -> None:
    events = [{"user_id": f"u{n}", "item_id": 1} for n in range(30) for _ in range(5 + n % 3)]
    events += [{"user_id": f"bot{n}", "item_id": 1} for n in range(4) for _ in range(40)]
    report = report_of(events)
    assert report["flagged_users"] == []
    assert flagged(report, "median_mad") == ["bot0", "bot1", "bot2", "bot3"]


def test_equal_counts_have_no_outlier() -> None:
    assert mad_threshold(np.array([3, 3, 3])) == np.inf
    assert report_of([{"user_id": 1, "item_id": 1}])["detectors"]["median_mad"]["flagged"] == []


def test_a_user_who_gives_all_films_the_same_is_found() -> None:
    events = [{"user_id": user, "item_id": n, "rating": 5 if user == "same" else n % 5}
              for user in ("same", "other") for n in range(10)]
    events += [{"user_id": "short", "item_id": n, "rating": 5} for n in range(9)]
    assert flagged(report_of(events), "same_rating") == ["same"]


def test_a_burst_of_accounts_on_one_film_is_found_and_one_busy_account_is_not() -> None:
    def at(item: str, user: object, hour: int) -> dict[str, Any]:
        return {"user_id": user, "item_id": item, "ts": 3600 * hour + 1_700_000_000}

    events = [at(item, f"u{hour}", hour) for item in ("target", "loved") for hour in range(12)]
    events += [at("target", f"bot{n}", 12) for n in range(15)]
    events += [at("loved", "one", 12) for _ in range(15)]
    assert flagged(report_of(events), "item_burst") == ["target"]


def test_ten_times_the_own_velocity_is_found() -> None:
    events = [{"user_id": user, "item_id": n, "ts": 3600 * n + 1_700_000_000}
              for user in ("calm", "wild") for n in range(8)]
    events += [{"user_id": "wild", "item_id": n, "ts": 3600 * 9 + 1_700_000_000}
               for n in range(12)]
    report = report_of(events)
    assert flagged(report, "own_velocity") == ["wild"]
    assert report["detectors"]["own_velocity"]["flagged"][0]["multiple"] == 12.0


def test_once_there_are_ratings_only_they_count_for_velocity() -> None:
    watched = [{"user_id": 1, "item_id": n, "ts": 1_700_000_000 + n} for n in range(30)]
    assert flagged(report_of(watched), "velocity") == ["1"]
    rated = {"user_id": 2, "item_id": 1, "rating": 3, "ts": 1_700_000_000}
    assert flagged(report_of([*watched, rated, *watched]), "velocity") == []


def test_a_mean_rating_far_from_that_of_others_is_found() -> None:
    events = [{"user_id": f"u{u}", "item_id": n, "rating": 3 + (n + u) % 2}
              for u in range(40) for n in range(10)]
    events += [{"user_id": "hater", "item_id": n, "rating": 0.5} for n in range(10)]
    assert flagged(report_of(events), "rating_z") == ["hater"]
