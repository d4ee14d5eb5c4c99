import numpy as np
import pytest
from small_data import clustered

from recommender.models import ease
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


def test_films_beyond_the_dense_ones_are_foreseen_by_regression_on_these():
    whole = clustered()
    model = EASE.fit_with(whole, {"dense_items": 10, "regularization": 2.0, "user_power": 0})
    x = taken(whole)
    head = np.argsort(-whole.item_counts(), kind="stable")[:10]
    gram = x.T @ x
    inverse = np.linalg.inv(gram[np.ix_(head, head)] + 2.0 * np.eye(10))
    wanted = np.zeros_like(gram)
    wanted[head] = inverse @ gram[head]
    solved = -inverse / np.diag(inverse)
    np.fill_diagonal(solved, 0)
    wanted[np.ix_(head, head)] = solved
    found = np.zeros_like(wanted)
    for film in range(whole.n_items):
        row = slice(model.similar.starts[film], model.similar.starts[film + 1])
        found[film, model.similar.items[row]] = model.similar.weights[row]
    assert np.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("at_once", [7, 1000])
def test_the_strongest_weights_are_kept_beyond_the_dense_films_too(monkeypatch, at_once):
    monkeypatch.setattr(ease, "_COLUMNS_AT_ONCE", at_once)
    whole = clustered()
    settings = {"dense_items": 10, "to_power": 0.5}
    every = EASE.fit_with(whole, settings).similar
    few = EASE.fit_with(whole, {**settings, "neighbours": 4}).similar
    worth = whole.item_counts() ** -0.5
    for film in range(whole.n_items):
        row, kept = (slice(of.starts[film], of.starts[film + 1]) for of in (every, few))
        strength = np.abs(every.weights[row]) * worth[every.items[row]]
        found = np.abs(few.weights[kept]) * worth[few.items[kept]]
        assert np.sort(found) == pytest.approx(np.sort(strength)[-4:], rel=1e-4)
