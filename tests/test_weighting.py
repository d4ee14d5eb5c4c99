from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_data import clustered, frame_of

from recommender.interactions import interactions_from_events
from recommender.models import MODELS
from recommender.weighting import Weighting, weigh

DAY = 86_400_000
OPTIONS = [
    Weighting(time_half_life_days=30), Weighting(time_strata=4), Weighting(rare_balance=1),
    Weighting(propensity_power=0.5), Weighting(account_half_life_days=7),
    Weighting(30, 4, 0.5, 0.5, 7),
]


def walked(n_users=40, n_items=30, seed=0):
    """Popular films and rare ones, over a hundred days."""
    random = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, n_items + 1)
    return interactions_from_events(frame_of([
        ("watch", f"u{user}", f"f{film}", None, int(random.integers(0, 100 * DAY)))
        for user in range(n_users)
        for film in random.choice(n_items, 8, replace=False, p=shares / shares.sum())]))


@pytest.mark.parametrize("weighting", OPTIONS)
@given(seed=st.integers(0, 50))
def test_weights_are_positive_and_one_on_average(weighting, seed):
    weights = weigh(walked(seed=seed), weighting).weights
    assert (weights > 0).all() and np.isfinite(weights).all()
    assert weights.mean() == pytest.approx(1, abs=1e-4)


def test_without_an_option_nothing_is_weighted():
    whole = walked()
    assert weigh(whole, Weighting()).weights is None
    assert (whole.entry_weights() == 1).all()


def test_each_option_follows_its_formula():
    whole = walked()
    counts = whole.item_counts()[whole.items]

    def ratio(weighting, first, second):
        weights = weigh(whole, weighting).weights
        return weights[first] / weights[second]

    old, new = whole.timestamps.argmin(), whole.timestamps.argmax()
    days = (whole.timestamps[new] - whole.timestamps[old]) / DAY
    assert ratio(Weighting(time_half_life_days=20), old, new) == pytest.approx(
        0.5 ** (days / 20), rel=1e-4)
    rare, common = counts.argmin(), counts.argmax()
    assert ratio(Weighting(propensity_power=0.5), rare, common) == pytest.approx(
        np.sqrt(counts[common] / counts[rare]), rel=1e-4)
    user = whole.user_entries(0)
    age = (whole.timestamps[user] - whole.first_timestamps[user].min()) / DAY
    assert ratio(Weighting(account_half_life_days=7), user.start + 1, user.stop - 1) == (
        pytest.approx((1 - 0.5 ** (age[1] / 7)) / (1 - 0.5 ** (age[-1] / 7)), rel=1e-4))


def test_spans_of_time_and_tenths_of_popularity_count_alike():
    whole = walked(200)
    weights = weigh(whole, Weighting(time_strata=4)).weights
    span = np.ptp(whole.timestamps)
    stratum = np.minimum((whole.timestamps - whole.timestamps.min()) * 4 // span, 3)
    sums = np.bincount(stratum, weights)
    assert sums == pytest.approx(np.full(4, sums.mean()), rel=1e-4)
    balanced = weigh(whole, Weighting(rare_balance=1)).weights
    order = np.argsort(whole.item_counts(), kind="stable")
    tenth = np.empty(30, int)
    tenth[order] = np.arange(30) * 10 // 30
    sums = np.bincount(tenth[whole.items], balanced)
    assert sums == pytest.approx(np.full(10, sums.mean()), rel=1e-4)


def test_selecting_entries_and_widening_the_catalogue_keep_their_weights():
    whole = weigh(walked(), Weighting(propensity_power=1))
    keep = np.arange(len(whole.items)) % 3 == 0
    assert whole.select(keep).weights.tolist() == whole.weights[keep].tolist()
    assert whole.with_items(["x"]).weights is whole.weights


def test_an_entry_of_weight_zero_is_as_good_as_gone_to_transitions():
    whole = clustered()
    weights = np.ones(len(whole.items), np.float32)
    user = whole.user_entries(3)
    weights[user.start + 1] = 0.0
    spec = MODELS["transition_knn"]
    plain = spec.fit_with(whole, {}).similar
    without = spec.fit_with(replace(whole, weights=weights), {}).similar
    assert without.weights.sum() < plain.weights.sum()


def test_weighted_popularity_is_the_sum_of_weights():
    whole = weigh(walked(), Weighting(time_half_life_days=10))
    counts = MODELS["popularity"].fit_with(whole, {}).counts
    assert counts == pytest.approx(
        [whole.weights[whole.items == film].sum() for film in range(whole.n_items)], rel=1e-4)
