"""Which genres a person's history holds, as shares."""

from __future__ import annotations

import numba as nb
import numpy as np

from recommender.arrays import Float64s
from recommender.rerank.reranker import Situation, readonly

_SIGNATURE = nb.float64[::1](
    readonly(nb.int32), readonly(nb.float32), readonly(nb.int32), readonly(nb.int32), nb.int64)


@nb.njit(_SIGNATURE, cache=True)
def _shares(films, weights, starts, rows, n_genres):  # type: ignore[no-untyped-def]
    shares = np.zeros(n_genres, np.float64)
    total = 0.0
    for place in range(len(films)):
        first, end = starts[films[place]], starts[films[place] + 1]
        if weights[place] <= 0 or end == first:
            continue
        total += weights[place]
        for at in range(first, end):
            shares[rows[at]] += weights[place] / (end - first)
    if total > 0:
        for genre in range(n_genres):
            shares[genre] /= total
    return shares


def genre_shares(situation: Situation) -> Float64s:
    """p(g|u) of shape (n_genres,), sums to 1, or to 0 for a history without genres.

    A film spreads its weight evenly over its genres; what was disliked does not count.
    """
    features, history = situation.features, situation.history
    shares: Float64s = _shares(history.items, history.weights, features.genre_starts,
                               features.genre_rows, features.n_genres)
    return shares
