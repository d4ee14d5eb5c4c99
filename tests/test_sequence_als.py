import numpy as np
import pytest
from small_data import clustered

from recommender.models.model import EncodedHistory
from recommender.models.sequence_als import SEQUENCE_ALS
from recommender.models.sequence_blend import SEQUENCE_BLEND

SMALL = {"als_factors": 6, "als_passes": 4}


def history_of(whole, user):
    items = whole.items[whole.user_entries(user)]
    return EncodedHistory(items, np.ones(len(items), np.float32))


def test_a_score_is_that_of_the_blend_times_the_share_of_als_to_a_power():
    whole = clustered()
    model = SEQUENCE_ALS.fit_with(whole, SMALL | {"als_power": 1.5, "to_power": 0.3})
    for user in (0, 5, 11):
        history = history_of(whole, user)
        blend = model.blend.rank(history, history.items, whole.n_items)
        tastes = np.zeros(whole.n_items)
        every = model.factors.rank(history, history.items, whole.n_items)
        tastes[every.items] = every.scores
        expected = np.zeros(whole.n_items)
        expected[blend.items] = blend.scores * (tastes[blend.items] / tastes.max() + 0.03) ** 1.5
        found = model.rank(history, history.items, 6)
        assert found.items.tolist() == np.argsort(-expected, kind="stable")[:6].tolist()
        assert found.scores == pytest.approx(expected[found.items], rel=1e-3)


def test_with_als_power_0_the_lists_are_those_of_the_blend():
    whole = clustered()
    model = SEQUENCE_ALS.fit_with(whole, SMALL | {"als_power": 0.0, "to_power": 0.1})
    blend = SEQUENCE_BLEND.fit_with(whole, {"to_power": 0.1, "neighbours": 200})
    for user in range(0, whole.n_users, 7):
        history = history_of(whole, user)
        ours, theirs = (m.rank(history, history.items, 8) for m in (model, blend))
        assert ours.items.tolist() == theirs.items.tolist()
        assert ours.because.tolist() == theirs.because.tolist()


def test_a_history_of_which_als_knows_nothing_is_ranked_by_the_blend_alone():
    whole = clustered()
    model = SEQUENCE_ALS.fit_with(whole, SMALL)
    items = whole.items[whole.user_entries(3)]
    silent = EncodedHistory(items, np.zeros(len(items), np.float32))
    assert model.rank(silent, items, 6).items.tolist() == (
        model.blend.rank(silent, items, 6).items.tolist())


def test_the_weights_that_are_kept_do_not_depend_on_the_power_that_divides_the_score():
    whole = clustered()
    few = SMALL | {"neighbours": 3}
    one, other = (SEQUENCE_ALS.fit_with(whole, few | {"to_power": power}) for power in (0.1, 1.5))
    assert one.blend.blocks.items.tolist() == other.blend.blocks.items.tolist()
    assert one.blend.factor.tolist() != other.blend.factor.tolist()
