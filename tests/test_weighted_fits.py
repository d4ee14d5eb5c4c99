"""Each model under weighted entries equals the same model computed another way."""

from dataclasses import replace

import numpy as np
import pytest
from small_data import clustered, films

from recommender.models import MODELS
from recommender.models.ease import EaseConfig, ease_weights
from recommender.models.model import EncodedHistory, decay_of
from recommender.models.sequence_parts import HistoryIndex
from recommender.training import evaluate_each
from recommender.weighting import Weighting, weigh

MINUTE_IN_DAYS = 1 / 1440
OPTIONS = {
    "time_half_life_days": Weighting(time_half_life_days=MINUTE_IN_DAYS / 10),
    "time_strata": Weighting(time_strata=5),
    "rare_balance": Weighting(rare_balance=0.5),
    "propensity_power": Weighting(propensity_power=0.5),
    "account_half_life_days": Weighting(account_half_life_days=MINUTE_IN_DAYS / 10),
}


def weighted(seed=0, **shape):
    """Small histories with random weights, some of them 0."""
    whole = clustered(**shape)
    weights = np.random.default_rng(seed).uniform(-0.3, 2, len(whole.items)).clip(0)
    return replace(whole, weights=weights.astype(np.float32))


def with_user_weights(whole, by_user):
    return replace(whole, weights=by_user[whole.entry_users()].astype(np.float32))


def lists_of(model, whole):
    """Scores of all films for some histories: (n_histories, n_items)."""
    scores = np.zeros((20, whole.n_items))
    for user in range(20):
        history = whole.items[whole.user_entries(user)][:6]
        found = model.rank(EncodedHistory(history, np.ones(6, np.float32)), history, whole.n_items)
        scores[user, found.items] = found.scores
    return scores


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_every_model_heeds_every_option_but_those_it_says_cancel(spec, option):
    whole = clustered()
    settings = {"epochs": 1} if spec.name == "ncf" else {}
    plain = lists_of(spec.fit_with(whole, settings), whole)
    other = lists_of(spec.fit_with(weigh(whole, OPTIONS[option]), settings), whole)
    assert np.allclose(plain, other, rtol=1e-3, atol=1e-12) == (option in spec.unmoved_by)


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_weights_of_one_change_no_model(spec):
    whole = clustered()
    settings = {"epochs": 1} if spec.name == "ncf" else {}
    ones = replace(whole, weights=np.ones(len(whole.items), np.float32))
    plain = lists_of(spec.fit_with(whole, settings), whole)
    assert np.allclose(plain, lists_of(spec.fit_with(ones, settings), whole), rtol=1e-5)


def test_a_training_says_which_options_cancel_in_a_model():
    said = []
    evaluate_each(clustered(), films(), [("knn", {}), ("ease", {})], "leave_last_out", said.append,
                  weighting=Weighting(time_strata=5, propensity_power=0.5))
    assert [line for line in said if "cancels" in line] == [
        "knn: propensity_power cancels in this model and changes nothing"]


def test_a_model_file_from_before_there_were_weights_still_ranks():
    whole = clustered()
    model = MODELS["similar_histories"].fit_with(whole, {})
    index = object.__new__(HistoryIndex)
    index.__setstate__({name: value for name, value in vars(model.index).items()
                        if name != "given"})
    older = replace(model, index=index)
    assert np.array_equal(lists_of(older, whole), lists_of(model, whole))


def test_ease_with_weights_of_users_solves_the_ridge_regression_with_these_users_repeated():
    whole = clustered()
    repeats = np.random.default_rng(1).integers(0, 4, whole.n_users)
    every = np.arange(whole.n_items, dtype=np.int32)
    config = EaseConfig(regularization=3.0, user_power=0)
    found = ease_weights(with_user_weights(whole, repeats), every, config)
    x = np.zeros((whole.n_users, whole.n_items))
    x[whole.entry_users(), whole.items] = 1
    x = np.repeat(x, repeats, axis=0)
    for film in (0, 7, 23):
        others = np.delete(every, film)
        gram = x[:, others].T @ x[:, others] + 3.0 * np.eye(len(others))
        wanted = np.linalg.solve(gram, x[:, others].T @ x[:, film])
        assert np.allclose(found[others, film], wanted, atol=1e-4)


def test_ease_does_not_see_entries_of_weight_zero():
    whole = weighted()
    whole = replace(whole, weights=(whole.weights > 0.5).astype(np.float32))
    every, config = np.arange(whole.n_items, dtype=np.int32), EaseConfig(user_power=0)
    gone = replace(whole.select(whole.weights > 0), weights=None)
    assert np.allclose(ease_weights(whole, every, config), ease_weights(gone, every, config))


def test_a_weight_of_als_is_the_confidence_of_the_entry():
    whole = weighted()
    confidence = np.zeros((whole.n_users, whole.n_items))
    confidence[whole.entry_users(), whole.items] = whole.weights
    vectors = np.random.default_rng(0).normal(0, 0.1 / np.sqrt(5), (whole.n_items, 5))
    for _ in range(3):
        for table in (confidence, confidence.T):
            given, solved = vectors, []
            for row in table:
                # Each taken one wants 1 with its confidence; all want 0 with 0.1.
                penalty = 0.003 * (row.sum() + 0.1 * len(row))
                matrix = given.T @ np.diag(row + 0.1) @ given + penalty * np.eye(5)
                solved.append(np.linalg.solve(matrix, given.T @ row))
            vectors = np.array(solved)
    model = MODELS["als"].fit_with(whole, {"factors": 5, "passes": 3})
    assert np.allclose(model.vectors, vectors, atol=1e-4)


def regression(whole, decays, future):
    """The least squares spelled out: a row of inputs, a target and a weight for each film that
    comes later, the target as much as all that comes later at that place."""
    n, rows, wanted, counts = whole.n_items, [], [], []
    for user in range(whole.n_users):
        way, worth = (of[whole.user_entries(user)] for of in (whole.items, whole.weights))
        for t in range(len(way) - 1):
            x = np.zeros((len(decays), n))
            for block, decay in enumerate(decays):
                for j in range(t + 1):
                    x[block, way[j]] += decay ** (t - j)
            shares = future ** np.arange(len(way) - 1 - t)
            for share, film, weight in zip(shares, way[t + 1:], worth[t + 1:], strict=True):
                rows.append(x.ravel())
                wanted.append(shares.sum() * (np.arange(n) == film))
                counts.append(weight * share / shares.sum())
    return np.array(rows), np.array(wanted), np.array(counts)


def dense_rows(blocks, n):
    dense = np.zeros((len(blocks.starts) - 1, n))
    for row in range(len(dense)):
        places = slice(blocks.starts[row], blocks.starts[row + 1])
        dense[row, blocks.items[places]] = blocks.weights[places]
    return dense


@pytest.mark.parametrize("alone", [False, True])
def test_the_closed_form_minimises_the_squares_by_the_weights_of_the_targets(alone):
    whole = weighted(n_users=30)
    halves = {"short_half_life": 0.7, "middle_half_life": 2.0, "long_half_life": 9.0}
    x, y, counts = regression(whole, [decay_of(half) for half in halves.values()], decay_of(0.5))
    penalty = 0.5 * len(whole.items) / whole.n_items + 3
    gram, cross = x.T @ (x * counts[:, None]), x.T @ (y * counts[:, None])
    wanted = np.linalg.solve(gram + penalty * np.eye(len(gram)), cross)
    if alone:
        wanted = cross / (np.diag(gram) + penalty)[:, None]
    model = MODELS["sequential"].fit_with(whole, {
        **halves, "regularization": 0.5, "prior_entries": 3.0, "alone_weight": 1.0,
        "dense_items": 0 if alone else 40})
    assert np.allclose(dense_rows(model.blocks, whole.n_items), wanted, atol=3e-3)


def test_a_follower_in_a_similar_history_gives_the_weight_of_its_entry():
    whole = weighted(5)
    plain = MODELS["similar_histories"].fit_with(replace(whole, weights=None), {})
    model = MODELS["similar_histories"].fit_with(whole, {})
    history = whole.items[whole.user_entries(9)][:1]
    one = EncodedHistory(history, np.ones(1, np.float32))
    wanted = np.zeros(whole.n_items)
    counts = np.maximum(whole.item_counts(), 1)
    for user in range(whole.n_users):
        entries = whole.user_entries(user)
        way = whole.items[entries].tolist()
        if history[0] in way:
            size = (counts[history[0]] ** -0.2) ** 3
            anchor = way.index(history[0])
            for place, (film, weight) in enumerate(zip(way, whole.weights[entries], strict=True)):
                step = place - anchor
                if step > 0:
                    wanted[film] += weight * size * 0.5 ** ((step - 1) / 2)
                elif -5 <= step < 0:
                    wanted[film] += weight * size * 0.3 * 0.5 ** ((-step - 1) / 2)
    wanted[history] = 0
    wanted = np.where(wanted > 0, 1e-6 * (wanted / wanted.sum() + 1e-3), 0)
    found = model.rank(one, history, 8)
    assert found.scores == pytest.approx(np.sort(wanted)[::-1][:8], rel=1e-3)
    assert found.items.tolist() != plain.rank(one, history, 8).items.tolist()
