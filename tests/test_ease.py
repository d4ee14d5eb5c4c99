import numpy as np
import pytest
from small_data import clustered

from recommender.models.ease import EASE, EaseConfig, ease_weights


def taken(whole):
    x = np.zeros((whole.n_users, whole.n_items))
    x[whole.entry_users(), whole.items] = 1
    return x


@pytest.mark.parametrize("power", [0.0, 0.7])
def test_weights_are_the_ridge_regression_of_each_film_on_all_others(power):
    whole = clustered()
    films = np.arange(whole.n_items, dtype=np.int32)
    found = ease_weights(whole, films, EaseConfig(regularization=3.0, user_power=power))
    x = taken(whole)
    lengths = x.sum(axis=1)
    x *= ((lengths / lengths.mean()) ** (-power / 2))[:, None]
    for film in (0, 7, 23):
        others = np.delete(films, film)
        gram = x[:, others].T @ x[:, others] + 3.0 * np.eye(len(others))
        wanted = np.linalg.solve(gram, x[:, others].T @ x[:, film])
        assert np.allclose(found[others, film], wanted, atol=1e-4)
        assert found[film, film] == 0


def test_only_the_films_most_taken_are_known():
    whole = clustered()
    model = EASE.fit_with(whole, {"dense_items": 10, "regularization": 1.0})
    counts = whole.item_counts()
    known = set(np.argsort(-counts, kind="stable")[:10].tolist())
    assert set(model.similar.items.tolist()) <= known
