import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import clustered, frame_of

from recommender.interactions import interactions_from_events
from recommender.models.model import EncodedHistory
from recommender.models.transition_knn import TRANSITION_KNN


def transitions(whole, window, to_power, from_power):
    """Score parts by dictionaries: (a, b) -> what a in the history gives b."""
    sums, counts = {}, {}
    for user in range(whole.n_users):
        way = whole.items[whole.user_entries(user)].tolist()
        for i, a in enumerate(way):
            counts[a] = counts.get(a, 0) + 1
            for distance, b in enumerate(way[i + 1:i + 1 + window], start=1):
                sums[a, b] = sums.get((a, b), 0.0) + 1 / distance
    return {(a, b): s / counts[b] ** to_power / counts[a] ** from_power
            for (a, b), s in sums.items()}


def fitted_parts(whole, model):
    rows = model.similar
    return {
        (a, int(rows.items[at])): float(rows.weights[at] * model.factor[rows.items[at]])
        for a in range(whole.n_items) for at in range(rows.starts[a], rows.starts[a + 1])
    }


@given(st.integers(0, 99), st.integers(1, 15), st.sampled_from([0.0, 0.4, 1.0]))
@settings(max_examples=30, deadline=None)
def test_parts_equal_those_computed_by_hand(seed, window, power):
    whole = clustered(20, 30, 9, seed)
    model = TRANSITION_KNN.fit_with(
        whole, {"window": window, "to_power": power, "from_power": 0.8})
    assert fitted_parts(whole, model) == pytest.approx(
        transitions(whole, window, power, 0.8), rel=1e-5)


@given(st.integers(0, 99), st.integers(1, 10))
@settings(max_examples=30, deadline=None)
def test_the_followers_that_score_highest_are_kept(seed, keep):
    whole = clustered(20, 30, 9, seed)
    kept = fitted_parts(whole, TRANSITION_KNN.fit_with(whole, {"neighbours": keep}))
    every = transitions(whole, 10, 0.4, 0.8)
    for a in range(whole.n_items):
        best = sorted((v for (x, _), v in every.items() if x == a), reverse=True)[:keep]
        found = sorted((v for (x, _), v in kept.items() if x == a), reverse=True)
        assert found == pytest.approx(best, rel=1e-5)


def test_a_list_equals_decayed_sums_computed_by_hand():
    whole = clustered()
    model = TRANSITION_KNN.fit_with(whole, {"half_life": 2})
    parts = transitions(whole, 10, 0.4, 0.8)
    history = whole.items[whole.user_entries(3)]
    scores = {
        item: sum(0.5 ** (age / 2) * parts.get((int(h), item), 0.0)
                  for age, h in enumerate(history[::-1]))
        for item in range(whole.n_items) if item not in history
    }
    found = model.rank(EncodedHistory(history, np.ones(len(history), np.float32)), history, 8)
    best = sorted((s for s in scores.values() if s > 0), reverse=True)[:8]
    assert found.scores.tolist() == pytest.approx(best, rel=1e-3)


def test_direction_matters():
    whole = interactions_from_events(frame_of(
        [("watch", f"u{u}", film, None, at) for u in range(5) for at, film in enumerate("abc")]))
    model = TRANSITION_KNN.fit_with(whole, {})
    place = whole.item_ids.index
    named = {film: [whole.item_ids[i] for i in model.neighbours(place(film), 5).items]
             for film in "abc"}
    assert named == {"a": ["b", "c"], "b": ["c"], "c": []}


def test_steps_never_lead_from_one_user_to_the_next():
    whole = interactions_from_events(frame_of([
        ("watch", "u1", "a", None, 1), ("watch", "u2", "b", None, 2)]))
    assert fitted_parts(whole, TRANSITION_KNN.fit_with(whole, {})) == {}
