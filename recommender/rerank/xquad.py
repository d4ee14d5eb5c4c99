"""xQuAD: cover the genres that a person likes, each less once a film of it is in the list.

Santos, Macdonald and Ounis (2010), "Exploiting query reformulations for web search result
diversification"; genres as aspects as in Vargas, Castells and Vallet (2011).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from recommender.rerank.greedy import best_of, bring_forward
from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation, readonly
from recommender.rerank.taste import genre_shares

_SIGNATURE = nb.int32[::1](
    readonly(nb.int32), readonly(nb.float32), nb.float64, nb.int64,
    readonly(nb.float64), readonly(nb.int32), readonly(nb.int32),
)


@nb.njit(_SIGNATURE, cache=True)
def _cover(items, scores, strength, k, wanted, starts, rows):  # type: ignore[no-untyped-def]
    n = len(items)
    uncovered = np.ones(len(wanted), np.float64)
    order = np.arange(n).astype(np.int32)
    best_score = best_of(scores)
    for place in range(min(k, n)):
        best, best_value = place, -np.inf
        for at in range(place, n):
            here = order[at]
            first, end = starts[items[here]], starts[items[here] + 1]
            covers = 0.0
            for row in range(first, end):
                covers += wanted[rows[row]] * uncovered[rows[row]]
            share = scores[here] / best_score
            value = (1.0 - strength) * share
            if end > first:
                value += strength * share * covers / (end - first)
            if value > best_value:
                best, best_value = at, value
        bring_forward(order, best, place)
        chosen = order[place]
        first, end = starts[items[chosen]], starts[items[chosen] + 1]
        for row in range(first, end):
            uncovered[rows[row]] *= 1.0 - scores[chosen] / best_score / (end - first)
    return order


def cover_genres(shortlist: Shortlist, strength: float, k: int, situation: Situation) -> Shortlist:
    """Next: most (1 - strength) p(i|u) + strength sum_g p(g|u) p(i|g) prod_j (1 - p(j|g)).

    p(i|u) = score / best score; p(i|g) = p(i|u) / number of genres of i for its own genres, else
    0; p(g|u) as of `taste.genre_shares`; j runs over the films before.
    """
    features, wanted = situation.features, genre_shares(situation)
    if not wanted.any():
        return shortlist
    return shortlist.ordered(_cover(shortlist.items, shortlist.scores, strength, k, wanted,
                                    features.genre_starts, features.genre_rows))


XQUAD = RerankerSpec("xquad", "weight of covering the genres of the history", cover_genres)
