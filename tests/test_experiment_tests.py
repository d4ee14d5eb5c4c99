"""The statistics of experiments, against other ways to compute them and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.sequential_errors import one_user_one_row, users_who_return
from recommender.experiments.arm_sums import ArmSums, arm_sums, of_proportion
from recommender.experiments.coverage import coverage_at_equal_size, rarefied
from recommender.experiments.fixed_horizon import two_means, two_proportions, wilson_interval
from recommender.experiments.power import (
    detectable_effect,
    needed_users,
    needed_users_always_valid,
    standard_error,
)
from recommender.experiments.sample_ratio import sample_ratio
from recommender.experiments.sequential import always_valid, one_sided_radius, p_value, radius


def test_the_sample_ratio_is_pearsons_chi_square():
    found = sample_ratio((10_400, 9_600), (50, 50))
    expected = stats.chisquare([10_400, 9_600])
    assert found.chi_square == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.blocks


def test_52_to_48_at_20_000_users_is_found_and_50_to_50_is_not():
    rng = np.random.default_rng(3)
    shares = (50, 50)
    wrong = [sample_ratio((20_000 - b, b), shares).blocks for b in rng.binomial(20_000, 0.52, 50)]
    right = [sample_ratio((20_000 - b, b), shares).blocks for b in rng.binomial(20_000, 0.50, 50)]
    assert all(wrong) and not any(right)


def test_no_users_are_no_mismatch():
    assert not sample_ratio((0, 0), (50, 50)).blocks


def test_the_z_test_is_the_textbooks():
    found = two_proportions(300, 1_000, 360, 1_000)
    pooled = 660 / 2_000
    z = 0.06 / math.sqrt(pooled * (1 - pooled) * 2 / 1_000)
    assert found.z == pytest.approx(z)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(z))
    assert found.low < 0.06 < found.high


def test_more_successes_than_users_are_refused():
    with pytest.raises(ValueError, match="more successes"):
        two_proportions(2, 1, 0, 5)


def test_an_arm_without_users_gives_no_test():
    assert two_proportions(0, 0, 5, 10) is None
    assert two_means(ArmSums(), of_proportion(3, 10)) is None


def test_one_value_a_user_has_the_usual_variance():
    values = np.random.default_rng(1).normal(size=200)
    found = arm_sums(np.arange(200), values)
    assert found.mean == pytest.approx(values.mean())
    assert found.variance == pytest.approx(values.var(ddof=1) / 200)


def test_repeating_each_users_value_changes_neither_mean_nor_variance():
    values = np.random.default_rng(1).normal(size=100)
    once = arm_sums(np.arange(100), values)
    five = arm_sums(np.repeat(np.arange(100), 5), np.repeat(values, 5))
    assert five.mean == pytest.approx(once.mean)
    assert five.variance == pytest.approx(once.variance)


def test_unknown_values_are_left_out():
    known = arm_sums(np.array([0, 1]), np.array([1.0, 0.0]))
    assert arm_sums(np.array([0, 1, 2]), np.array([1.0, 0.0, np.nan])) == known


def test_sums_of_disjoint_users_add_up():
    values = np.random.default_rng(1).random(50)
    users = np.arange(50) // 2
    added = arm_sums(users[:20], values[:20]) + arm_sums(users[20:] - 10, values[20:])
    whole = arm_sums(users, values)
    assert added.mean == pytest.approx(whole.mean)
    assert added.variance == pytest.approx(whole.variance)


@given(st.floats(-0.2, 0.2), st.floats(1e-6, 1e-2), st.floats(1e-3, 0.5))
def test_the_p_value_is_below_5_percent_when_the_sequence_leaves_0_out(difference, variance, scale):
    outside = abs(difference) > radius(variance, scale, 0.05)
    assert outside == (p_value(difference, variance, scale) < 0.05)


@given(st.floats(1e-6, 1e-2), st.floats(1e-3, 0.5))
def test_one_side_is_nearer_than_two_and_farther_than_once(variance, scale):
    one = one_sided_radius(variance, scale, 0.05)
    assert stats.norm.ppf(0.95) * math.sqrt(variance) < one < radius(variance, scale, 0.05)


def test_nothing_is_said_of_few_users():
    assert always_valid(of_proportion(0, 20), of_proportion(20, 20), 0.1) is None


def test_looking_all_the_time_errs_in_few_experiments_and_the_z_test_in_many():
    erred = one_user_one_row((0.3, 0.3), 0.5, 500, 20, 200, 0.03, seed=5)
    low, _ = wilson_interval(erred.always_valid, erred.experiments)
    assert low <= 0.05
    assert erred.z_test > 3 * max(erred.always_valid, 1)


def test_users_who_return_do_not_make_it_err():
    erred = users_who_return(0.3, 400, 15, 100, 0.03, seed=6)
    assert wilson_interval(erred.always_valid, erred.experiments)[0] <= 0.05


def test_a_large_effect_is_found():
    erred = one_user_one_row((0.3, 0.36), 0.5, 500, 20, 50, 0.03, seed=7)
    assert erred.always_valid >= 48


def test_needed_users_are_those_of_the_formula():
    users = needed_users(0.30, 0.03)
    reach = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert 0.03 / standard_error(0.30, 0.03, users, 0.5) == pytest.approx(reach, rel=1e-3)
    assert detectable_effect(0.30, users) == pytest.approx(0.03, rel=1e-3)
    assert users < needed_users_always_valid(0.30, 0.03) < 3 * users


def test_impossible_rates_are_refused():
    with pytest.raises(ValueError, match="rates"):
        needed_users(0.9, 0.2)


def test_rarefaction_is_the_mean_over_all_draws():
    lists = [{0}, {0, 1}, {2}, {3}]
    counts = np.array([2, 1, 1, 1])
    from itertools import combinations
    drawn = [len(a | b) / 5 for a, b in combinations(lists, 2)]
    assert rarefied(counts, 4, 2, 5) == pytest.approx(np.mean(drawn))


def test_coverage_of_one_model_is_no_difference_at_90_to_10():
    rng = np.random.default_rng(8)
    called = 0
    for run in range(40):
        noise = rng.gumbel(size=(200, 100)) - np.log(np.arange(1, 101))
        lists = np.argsort(-noise, axis=1)[:, :5]
        test = coverage_at_equal_size(lists, rng.random(200) < 0.1, 100, 99, seed=run)
        called += test.p_value < 0.05
    assert wilson_interval(called, 40)[0] <= 0.05


def test_an_arm_that_shows_more_films_is_found():
    rng = np.random.default_rng(9)
    narrow = rng.integers(0, 20, (100, 5))
    broad = rng.integers(0, 100, (100, 5))
    in_b = np.arange(200) >= 100
    test = coverage_at_equal_size(np.concatenate((narrow, broad)), in_b, 100, 99)
    assert test.difference > 0.3 and test.p_value == pytest.approx(0.01)


def test_an_empty_arm_covers_nothing_to_compare():
    assert coverage_at_equal_size(np.zeros((3, 2), int), np.zeros(3, bool), 5) is None
