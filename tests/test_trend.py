"""The trend test against every permutation and against SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, linregress

from recommender.audit.trend import mann_kendall_rising, trend


def score(values: list[float]) -> int:
    return sum(int(np.sign(b - a)) for a, b in itertools.combinations(values, 2))


@given(st.permutations(range(6)))
def test_the_p_value_is_the_share_of_orders_that_rise_at_least_as_much(order: list[int]) -> None:
    rises = [score(list(other)) for other in itertools.permutations(order)]
    expected = sum(rise >= score(order) for rise in rises) / len(rises)
    assert mann_kendall_rising(order) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(-5, 5), min_size=8, max_size=40, unique=True))
def test_without_ties_it_is_kendalls_exact_test_against_time(values: list[float]) -> None:
    expected = kendalltau(range(len(values)), values, alternative="greater", method="exact")
    assert mann_kendall_rising(values) == pytest.approx(expected.pvalue, abs=1e-9)


def test_series_without_a_change_or_too_short_ones_show_no_rise() -> None:
    assert mann_kendall_rising([0.5] * 10) == 1.0
    assert mann_kendall_rising([1, 2]) == 1.0
    assert mann_kendall_rising([1, 1, 2, 2, 3, 3, 4, 4, 5, 5]) < 0.01


@given(st.lists(st.floats(0, 1), min_size=8, max_size=30))
def test_the_slope_is_that_of_least_squares(values: list[float]) -> None:
    found = trend(values).slope
    assert found.low is not None and found.high is not None
    expected = linregress(range(len(values)), values)
    assert found.value == pytest.approx(expected.slope, abs=1e-9)
    assert found.low - 1e-12 <= found.value <= found.high + 1e-12
