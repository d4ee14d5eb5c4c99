"""The echo detector: windows of equal size, few false alarms, finds what is there."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.echo import EXPONENT, FILMS, draw, measure
from recommender.audit.echo import WINDOWS_MIN, detect_echo, judge_series, windows_of
from recommender.audit.verdicts import AuditStatus


def test_a_small_benchmark_finds_echoes_and_leaves_stationary_histories() -> None:
    rates = measure(histories=40, lists=480, slope=0.02, slope_max=0.01)
    assert rates["stationary"].low <= 0.05
    assert rates["stationary, people return"].low <= 0.05
    assert rates["echo, slope 0.02"].value >= 0.8


@given(st.integers(8, 60), st.integers(8, 12))
def test_windows_hold_the_same_number_of_lists_and_the_newest_ones(n: int, windows: int) -> None:
    shown = np.arange(n)[:, None] % 5
    if windows > n:
        windows = n
    found = windows_of(shown, 5, windows)
    assert len(found) == windows
    assert {w.end - w.start for w in found} == {n // windows}
    assert found[-1].end == n and found[0].start == n - windows * (n // windows)


def test_growing_traffic_is_no_echo() -> None:
    random = np.random.default_rng(3)
    # Ever more lists a day; windows by day would have a falling Gini, equal ones have none.
    lists = draw(random, [EXPONENT] * 2_000)
    assert detect_echo(lists, FILMS, 0.01).status is AuditStatus.PASS


def test_too_few_lists_are_insufficient() -> None:
    random = np.random.default_rng(3)
    found = detect_echo(draw(random, [EXPONENT] * (WINDOWS_MIN * 20 - 1)), FILMS, 0.01)
    assert found.status is AuditStatus.INSUFFICIENT_DATA
    assert judge_series([0.1] * 7, 0.01) == (AuditStatus.INSUFFICIENT_DATA, None)


def test_a_steep_but_erratic_series_is_no_echo_and_a_steady_one_is() -> None:
    assert judge_series([0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9], 0.01)[0] is AuditStatus.PASS
    rising = [0.5 + 0.02 * n for n in range(8)]
    assert judge_series(rising, 0.01)[0] is AuditStatus.FAIL
    assert judge_series([0.5 + 0.005 * n for n in range(8)], 0.01)[0] is AuditStatus.PASS
