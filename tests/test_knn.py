import math

import numpy as np
import pytest
from small_data import clustered

from recommender.models.knn import KNN
from recommender.models.model import EncodedHistory

WHOLE = clustered(30, 20, 6)


def cosines():
    """By sets and dictionaries."""
    takers = {}
    for user in range(WHOLE.n_users):
        for item in WHOLE.items[WHOLE.user_entries(user)].tolist():
            takers.setdefault(item, set()).add(user)
    return {
        (a, b): len(takers[a] & takers[b]) / math.sqrt(len(takers[a]) * len(takers[b]))
        for a in takers for b in takers if a != b and takers[a] & takers[b]
    }


def test_similarities_equal_cosines_computed_by_hand():
    similar = KNN.fit_with(WHOLE, {}).similar
    found = {
        (row, int(similar.items[at])): float(similar.weights[at])
        for row in range(WHOLE.n_items)
        for at in range(similar.starts[row], similar.starts[row + 1])
    }
    assert found == pytest.approx(cosines(), rel=1e-5)


def test_only_the_nearest_are_kept():
    similar = KNN.fit_with(WHOLE, {"neighbours": 3}).similar
    right = cosines()
    for row in range(WHOLE.n_items):
        kept = similar.weights[similar.starts[row]:similar.starts[row + 1]]
        nearest = sorted((v for (a, _), v in right.items() if a == row), reverse=True)[:3]
        assert sorted(kept.tolist(), reverse=True) == pytest.approx(nearest, rel=1e-5)


def test_a_list_equals_decayed_sums_computed_by_hand():
    model = KNN.fit_with(WHOLE, {"half_life": 3})
    history = WHOLE.items[WHOLE.user_entries(0)]
    weights = np.array([1, -0.25, 1, 0.5, 1, 1], np.float32)
    right = cosines()
    scores = {
        item: sum(float(w) * 0.5 ** ((len(history) - 1 - age) / 3) * right.get((int(h), item), 0.0)
                  for age, (h, w) in enumerate(zip(history, weights, strict=True)))
        for item in range(WHOLE.n_items) if item not in history
    }
    found = model.rank(EncodedHistory(history, weights), history, 5)
    best = sorted((s for s in scores.values() if s > 0), reverse=True)[:5]
    assert found.scores.tolist() == pytest.approx(best, rel=1e-4)
    for item, score in zip(found.items.tolist(), found.scores.tolist(), strict=True):
        assert score == pytest.approx(scores[item], rel=1e-4)


def test_threads_change_nothing():
    one, four = (KNN.fit_with(WHOLE, {"threads": n}).similar for n in (1, 4))
    assert np.array_equal(one.items, four.items) and np.array_equal(one.weights, four.weights)
