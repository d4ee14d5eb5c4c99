import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import metrics
from recommender.metrics import coverage, exposures_of, gains, gini, hits, mean_with_interval

COUNTS = st.lists(st.integers(0, 1_000), min_size=1, max_size=50)


def test_the_examples_in_the_docstrings_hold():
    found = doctest.testmod(metrics)
    assert found.attempted and not found.failed


@given(st.lists(st.integers(0, 30), min_size=1), st.integers(1, 20))
def test_hits_and_gains_follow_their_formulas(ranks, k):
    assert hits(ranks, k).tolist() == [float(0 < r <= k) for r in ranks]
    wanted = [1 / math.log2(r + 1) if 0 < r <= k else 0.0 for r in ranks]
    assert gains(ranks, k) == pytest.approx(wanted)


@given(COUNTS, st.integers(1, 9))
def test_gini_is_free_of_scale(counts, factor):
    assert gini([c * factor for c in counts]) == pytest.approx(gini(counts))


@given(COUNTS)
def test_gini_equals_the_mean_absolute_difference(counts):
    x = np.array(counts, float)
    wanted = 0.0
    if x.sum():
        wanted = np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) * x.sum())
    assert gini(counts) == pytest.approx(wanted, abs=1e-9)


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=2, max_size=30))
def test_coverage_never_falls_with_more_lists(lists):
    shown = np.array(lists)
    found = [coverage(exposures_of(shown[:n], 10)) for n in range(1, len(lists) + 1)]
    assert found == sorted(found)


def test_missing_places_are_no_exposure():
    assert exposures_of(np.array([[0, -1], [0, 2]]), 4).tolist() == [2, 0, 1, 0]


def test_the_interval_agrees_with_a_plain_bootstrap_over_users():
    rng = np.random.default_rng(1)
    values = gains(rng.integers(0, 12, 500), 10)
    plain = [values[rng.integers(0, 500, 500)].mean() for _ in range(2_000)]
    found = mean_with_interval(values)
    assert found.value == pytest.approx(values.mean())
    assert [found.low, found.high] == pytest.approx(np.quantile(plain, (0.025, 0.975)), abs=0.004)
    assert found == mean_with_interval(values)


def test_no_users_give_no_interval():
    assert mean_with_interval(np.zeros(0)).low is None
