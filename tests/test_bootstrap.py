import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.metrics import (
    coverage,
    exposure_interval,
    exposures_of,
    gains,
    gini,
    mean_with_interval,
    paired_difference,
    paired_exposure_difference,
    ratios_below,
)


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
    assert exposure_interval(np.zeros((0, 3), int), 5, coverage).low is None
    assert ratios_below(np.zeros(3), np.ones((1, 3), bool), 0.5)[0][0].low is None


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_a_model_does_not_differ_from_itself(values):
    found = paired_difference(np.array(values), np.array(values))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_paired_interval_is_narrower_than_two_apart():
    random = np.random.default_rng(0)
    ours = random.random(400)
    theirs = np.clip(ours + random.normal(0.02, 0.02, 400), 0, 1)
    pair = paired_difference(theirs, ours)
    assert pair.low > 0
    assert mean_with_interval(theirs).low < mean_with_interval(ours).high


@pytest.mark.parametrize("measure", [coverage, gini])
def test_intervals_of_exposure_hold_the_expected_value_about_as_often_as_they_say(measure):
    """Of 95 % intervals from fresh people, about nine in ten hold the mean of many such samples."""
    n_items, n_lists = 60, 40
    weights = 1.0 / np.arange(1, n_items + 1)

    def lists(seed):
        random = np.random.default_rng(seed)
        return np.array([random.choice(n_items, 5, replace=False, p=weights / weights.sum())
                         for _ in range(n_lists)])

    samples = [lists(seed) for seed in range(150)]
    truth = np.mean([measure(exposures_of(sample, n_items)) for sample in samples])
    found = [exposure_interval(sample, n_items, measure) for sample in samples[:100]]
    held = sum(one.low <= truth <= one.high for one in found)
    assert 82 <= held <= 100
    assert all(one.low <= one.value <= one.high for one in found)


def test_differences_of_exposure_are_taken_over_the_same_people():
    random = np.random.default_rng(4)
    ours = random.integers(0, 50, (80, 5))
    same = paired_exposure_difference(ours, ours, 50, gini)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    other = paired_exposure_difference(ours, np.zeros_like(ours), 50, coverage)
    assert other.value == pytest.approx(
        coverage(exposures_of(ours, 50)) - 1 / 50)
    assert other.low > 0


def test_the_ratio_of_a_group_is_that_of_the_means():
    random = np.random.default_rng(5)
    values, group = random.random(300), np.arange(300) < 90
    values[group] /= 2
    found = ratios_below(values, group[None, :], 0.5)[0][0]
    assert found.value == pytest.approx(values[group].mean() / values.mean())
    assert found.low < found.value < found.high < 1
