import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import clustered, frame_of

from recommender.interactions import interactions_from_events
from recommender.models.model import EncodedHistory, decay_of
from recommender.models.sequence_grams import sum_pairs
from recommender.models.sequential import SEQUENTIAL

HALF_LIVES = (0.01, 1.5, 20.0)


def inputs_and_targets(whole, decays, future):
    """X and Y row by row, one row for each place that has a film after it."""
    n = whole.n_items
    xs, ys = [], []
    for user in range(whole.n_users):
        way = whole.items[whole.user_entries(user)]
        for t in range(len(way) - 1):
            x, y = np.zeros((len(decays), n)), np.zeros(n)
            for block, decay in enumerate(decays):
                for j in range(t + 1):
                    x[block, way[j]] += decay ** (t - j)
            for k in range(t + 1, len(way)):
                y[way[k]] += future ** (k - t - 1)
            xs.append(x.ravel())
            ys.append(y)
    return np.array(xs), np.array(ys)


@given(st.integers(0, 99), st.floats(0.1, 1.0), st.floats(0.1, 1.0), st.floats(0.05, 0.9))
@settings(max_examples=20, deadline=None)
def test_sums_over_pairs_equal_the_products_of_the_built_matrices(seed, short, long, future):
    whole = clustered(12, 20, 8, seed)
    x, y = inputs_and_targets(whole, [short, long], future)
    ones = np.ones(len(whole.items), np.float32)
    gram, cross = sum_pairs(whole.items, whole.user_offsets, ones, whole.n_items, [short, long],
                            future, 2)
    assert np.allclose(np.tril(gram), np.tril(x.T @ x), atol=2e-3)
    assert np.allclose(cross, x.T @ y, atol=2e-3)


def weights_of(model, whole):
    """The blocks as dense matrices."""
    rows, n = model.blocks, whole.n_items
    dense = np.zeros((3 * n, n))
    for row in range(3 * n):
        places = slice(rows.starts[row], rows.starts[row + 1])
        dense[row, rows.items[places]] = rows.weights[places]
    return dense


def test_the_weights_are_those_of_ridge_regression():
    whole = clustered()
    model = SEQUENTIAL.fit_with(whole, {"regularization": 0.5, "prior_entries": 3.0})
    x, y = inputs_and_targets(whole, [decay_of(half) for half in HALF_LIVES], decay_of(0.5))
    penalty = 0.5 * len(whole.items) / whole.n_items + 3
    wanted = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    assert np.allclose(weights_of(model, whole), wanted, atol=2e-3)


def test_the_strongest_weights_are_kept():
    whole = clustered()
    every = weights_of(SEQUENTIAL.fit_with(whole, {"to_power": 0}), whole)
    kept = weights_of(SEQUENTIAL.fit_with(whole, {"to_power": 0, "neighbours": 5}), whole)
    for row, few in zip(every, kept, strict=True):
        assert np.count_nonzero(few) <= 5
        assert sorted(np.abs(few))[-5:] == pytest.approx(sorted(np.abs(row))[-5:])


def test_a_list_equals_decayed_sums_and_names_the_entry_that_gave_most():
    whole = clustered()
    model = SEQUENTIAL.fit_with(whole, {})
    dense = weights_of(model, whole)
    n = whole.n_items
    history = whole.items[whole.user_entries(3)]
    weights = np.where(np.arange(len(history)) % 4 == 1, -0.25, 1.0).astype(np.float32)
    ages = np.arange(len(history))[::-1]
    parts = sum(
        (weights * decay_of(half) ** ages)[:, None] * dense[block * n + history]
        * (decay_of(half) ** ages >= 2e-3)[:, None]
        for block, half in enumerate(HALF_LIVES)
    )
    expected = np.maximum(parts.sum(axis=0), 0)
    scores = np.where(expected > 0, (expected + 1e-3) ** 2 * 1e-3, 0) * whole.item_counts() ** -0.6
    scores[history] = 0
    found = model.rank(EncodedHistory(history, weights), history, 8)
    best = [item for item in np.argsort(-scores, kind="stable")[:8] if scores[item] > 0]
    assert found.items.tolist() == best
    assert found.scores.tolist() == pytest.approx(scores[best].tolist(), rel=1e-4)
    for item, position in zip(found.items, found.because, strict=True):
        assert position == np.where(weights > 0, parts[:, item], -1).argmax()


@pytest.mark.parametrize("dense_items", [0, 1, 15, 40])
def test_films_beyond_the_dense_ones_are_still_foreseen(dense_items):
    whole = clustered()
    model = SEQUENTIAL.fit_with(whole, {"dense_items": dense_items})
    for user in range(0, whole.n_users, 7):
        history = whole.items[whole.user_entries(user)]
        shown = model.rank(EncodedHistory(history, np.ones(len(history), np.float32)), history, 8)
        half = whole.item_ids[history[0]]
        same = [(int(whole.item_ids[item][1:]) < 20) == (int(half[1:]) < 20)
                for item in shown.items]
        assert len(same) >= 4 and all(same[:4])


@pytest.mark.parametrize("counts", [1.0, 0.4])
def test_a_film_taken_alone_gets_the_weights_of_its_own_regression(counts):
    whole = clustered()
    model = SEQUENTIAL.fit_with(
        whole, {"dense_items": 0, "regularization": 0.5, "alone_weight": counts,
                "prior_entries": 3.0})
    x, y = inputs_and_targets(whole, [decay_of(half) for half in HALF_LIVES], decay_of(0.5))
    penalty = 0.5 * len(whole.items) / whole.n_items + 3
    wanted = counts * (x.T @ y) / (np.diag(x.T @ x) + penalty)[:, None]
    assert np.allclose(weights_of(model, whole), wanted, atol=2e-3)


@pytest.mark.parametrize("rows", [
    [("watch", "u1", "a", None, 1)],
    [("watch", "u1", "a", None, 1), ("watch", "u1", "b", None, 2)],
    [("watch", "u1", "a", None, 1), ("rate", "u1", "b", 1.0, 2), ("watch", "u2", "b", None, 3)],
])
def test_one_or_two_users_are_enough(rows):
    whole = interactions_from_events(frame_of(rows))
    model = SEQUENTIAL.fit_with(whole, {})
    assert model.is_finite()
    one = EncodedHistory(whole.items[:1], np.ones(1, np.float32))
    assert len(model.rank(one, whole.items[:1], 5).items) <= 1
