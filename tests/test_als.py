import numpy as np
import pytest
from small_data import clustered

from recommender.models.als import ALS
from recommender.models.model import EncodedHistory


def loss(users, films, x, weight, penalty):
    """The objective of iALS with frequency_power 1, all parts spelled out."""
    scores = users @ films.T
    observed = ((scores - 1) ** 2)[x > 0].sum()
    every = weight * (scores**2).sum()
    of_users = (x.sum(axis=1) + weight * x.shape[1]) @ (users**2).sum(axis=1)
    of_films = (x.sum(axis=0) + weight * x.shape[0]) @ (films**2).sum(axis=1)
    return observed + every + penalty * (of_users + of_films)


def user_vectors(model, x):
    """The best users for the films of a model, by numpy."""
    films = model.vectors.astype(np.float64)
    solved = []
    for row in x:
        matrix = films.T @ (films * (row + 0.1)[:, None])
        matrix += 0.003 * (row.sum() + 0.1 * len(films)) * np.eye(films.shape[1])
        solved.append(np.linalg.solve(matrix, films.T @ row))
    return np.array(solved)


def test_every_pass_lowers_the_loss():
    whole = clustered()
    x = np.zeros((whole.n_users, whole.n_items))
    x[whole.entry_users(), whole.items] = 1
    losses = []
    for passes in (1, 2, 4, 8):
        model = ALS.fit_with(whole, {"passes": passes, "factors": 6})
        losses.append(loss(user_vectors(model, x), model.vectors, x, 0.1, 0.003))
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_scores_are_the_users_vector_times_the_films_and_parts_add_up():
    whole = clustered()
    model = ALS.fit_with(whole, {"factors": 6, "half_life": 0})
    x = np.zeros((whole.n_users, whole.n_items))
    x[whole.entry_users(), whole.items] = 1
    history = whole.items[whole.user_entries(5)]
    scores = user_vectors(model, x)[5] @ model.vectors.T
    scores[history] = 0
    found = model.rank(EncodedHistory(history, np.ones(len(history), np.float32)), history, 6)
    assert found.items.tolist() == np.argsort(-scores, kind="stable")[:6].tolist()
    assert found.scores == pytest.approx(np.sort(scores)[::-1][:6], rel=1e-3)
