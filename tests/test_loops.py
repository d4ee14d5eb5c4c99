"""Starvation, tiers by earlier popularity and the exposure of new films, recomputed by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.audit.catalogue_view import DAY_MS
from recommender.audit.exposure import popularity_tiers, shown_tiers
from recommender.audit.loops import (
    HOUR_MS,
    LoggedLists,
    audit_loops,
    head_and_tail_rates,
    new_films,
)
from recommender.audit.verdicts import AuditPolicy


def logged(shown: list[list[int]], at_ms: list[int], taken: list[int],
           added: list[int] | None = None) -> LoggedLists:
    return LoggedLists(np.array(shown), np.array(at_ms), np.array(taken),
                       np.array(added or [0] * len(taken)))


def test_starvation_compares_head_and_tail() -> None:
    taken = [100, 90, 80, 10, 9, 8, 7, 3, 2, 1]
    found = audit_loops(logged([[0, 1, 3], [0, 2, 9], [0, 1, -1]], [5, 6, DAY_MS + 1], taken),
                        AuditPolicy()).starvation
    assert (found.head_rate, found.tail_rate) == (1.0, 1 / 3)
    assert found.ratio == pytest.approx(3.0)
    assert found.index == pytest.approx(0.5)
    assert found.films_a_day == ((0, 5), (DAY_MS, 2))


def test_when_no_film_of_the_tail_is_shown_there_is_no_ratio() -> None:
    found = audit_loops(logged([[0]], [5], [9, 5, 4, 1]), AuditPolicy()).starvation
    assert (found.tail_rate, found.ratio, found.index) == (0.0, None, 0.75)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=40))
def test_films_taken_alike_count_alike_in_head_and_tail(films: list[tuple[bool, int]]) -> None:
    size = int(len(films) * 0.3)

    def rate(best_first: int) -> float:
        """The mean over all orders of films that are taken alike."""
        total, left = 0.0, size
        for taken in sorted({taken for _, taken in films}, key=lambda n: n * best_first):
            alike = [shown for shown, count in films if count == taken]
            counted = min(left, len(alike))
            total, left = total + counted * sum(alike) / len(alike), left - counted
        return total / size if size else 0.0

    shown, taken = (np.array(column) for column in zip(*films, strict=True))
    assert head_and_tail_rates(shown, taken) == pytest.approx((rate(-1), rate(1)))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), min_size=1, max_size=60))
def test_tiers_part_catalogue_and_recommendations(films: list[tuple[int, int]]) -> None:
    exposures, taken = (np.array(column) for column in zip(*films, strict=True))
    for tiers in (shown_tiers(exposures), popularity_tiers(exposures, taken)):
        assert sum(tier.items for tier in tiers) == len(films)
        assert sum(tier.catalogue_share for tier in tiers) == pytest.approx(1.0)
        total = sum(tier.recommendation_share for tier in tiers)
        assert total == pytest.approx(1.0 if exposures.any() else 0.0)


@given(st.lists(st.integers(0, 20), min_size=4, max_size=40), st.randoms())
def test_tiers_by_earlier_popularity_do_not_depend_on_the_order_of_films(
    exposures: list[int], random: object
) -> None:
    taken = [n % 3 for n in range(len(exposures))]
    order = np.random.default_rng(len(exposures)).permutation(len(exposures))
    one = popularity_tiers(np.array(exposures), np.array(taken))
    other = popularity_tiers(np.array(exposures)[order], np.array(taken)[order])
    for first, second in zip(one, other, strict=True):
        assert first.recommendation_share == pytest.approx(second.recommendation_share)


def test_uniform_exposure_amplifies_nothing() -> None:
    for tier in popularity_tiers(np.full(40, 7), np.arange(40)):
        assert tier.amplification == pytest.approx(1.0)


def test_new_films_wait_until_they_are_first_shown() -> None:
    hour = HOUR_MS
    lists = logged([[0], [2], [1], [2], [0]], [0, 2 * hour, 5 * hour, 6 * hour, 10 * hour],
                   [1, 1, 0, 0, 0], [-1, hour, hour, 2 * hour, -1])
    found = new_films(lists)
    # New: films 1 (waits 4 h), 2 (1 h), 3 (8 h and still waits).
    assert (found.films, found.shown, found.median_hours) == (3, 2, 4.0)


def test_a_median_that_nobody_has_seen_yet_is_unknown() -> None:
    lists = logged([[0], [1], [0]], [0, HOUR_MS, 2 * HOUR_MS], [1, 1, 1, 1, 1], [-1, 1, 1, 1, 1])
    found = new_films(lists)
    assert (found.films, found.shown, found.median_hours) == (4, 1, None)


def test_the_counts_of_a_loop_report_are_those_of_the_lists() -> None:
    random = np.random.default_rng(1)
    shown = np.array([random.choice(30, 5, replace=False) for _ in range(200)])
    report = audit_loops(logged(shown.tolist(), list(range(200)), list(range(30))), AuditPolicy())
    counts = Counter(shown.ravel().tolist())
    top = sum(n for _, n in counts.most_common(3))
    assert report.tiers[0].recommendation_share == pytest.approx(top / 1000)
    assert (report.lists, report.catalogue, report.start_ms, report.end_ms) == (200, 30, 0, 199)
    assert len(report.echo.windows) == 10
