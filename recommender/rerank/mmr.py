"""Maximal marginal relevance: each next film may resemble those before it only at a price.

Carbonell and Goldstein (1998). Films resemble each other by genres (Jaccard) or by the cosine of
their content vectors (TF-IDF of genres, title words and decade).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from recommender.rerank.greedy import best_of, bring_forward
from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation, readonly, types

_GENRES_SIGNATURE = nb.int32[::1](
    readonly(nb.int32), readonly(nb.float32), nb.float64, nb.int64,
    readonly(nb.int32), readonly(nb.int32),
)
_CONTENT_SIGNATURE = nb.int32[::1](
    readonly(nb.int32), readonly(nb.float32), nb.float64, nb.int64,
    readonly(nb.int64), readonly(nb.int32), readonly(nb.float32),
)


@nb.njit(types.float64(nb.int32, nb.int32, readonly(nb.int32), readonly(nb.int32)), cache=True)
def _jaccard(a, b, starts, rows):  # type: ignore[no-untyped-def]
    left, right, both = starts[a], starts[b], 0
    while left < starts[a + 1] and right < starts[b + 1]:
        if rows[left] == rows[right]:
            both += 1
            left += 1
            right += 1
        elif rows[left] < rows[right]:
            left += 1
        else:
            right += 1
    either = starts[a + 1] - starts[a] + starts[b + 1] - starts[b] - both
    return both / either if either > 0 else 0.0


@nb.njit(types.int32(nb.int32[::1], nb.int64, readonly(nb.float32), nb.float32, nb.float64,
                     nb.float64[::1]), cache=True)
def _take_next(order, place, scores, best_score, strength, nearest):  # type: ignore[no-untyped-def]
    """Bring the best that is left to `place`; nearest: likeness of each to those before."""
    best, best_value = place, -np.inf
    for at in range(place, len(order)):
        here = order[at]
        value = (1.0 - strength) * scores[here] / best_score - strength * nearest[here]
        if value > best_value:
            best, best_value = at, value
    bring_forward(order, best, place)
    return order[place]


@nb.njit(_GENRES_SIGNATURE, cache=True)
def _by_genres(items, scores, strength, k, starts, rows):  # type: ignore[no-untyped-def]
    n = len(items)
    nearest = np.zeros(n, np.float64)  # to the films chosen so far
    order = np.arange(n).astype(np.int32)
    best_score = best_of(scores)
    for place in range(min(k, n)):
        chosen = _take_next(order, place, scores, best_score, strength, nearest)
        for at in range(place + 1, n):
            here = order[at]
            nearest[here] = max(nearest[here], _jaccard(items[here], items[chosen], starts, rows))
    return order


@nb.njit(_CONTENT_SIGNATURE, cache=True)
def _by_content(items, scores, strength, k, starts, neighbours, cosines):  # type: ignore[no-untyped-def]
    n = len(items)
    nearest = np.zeros(n, np.float64)
    order = np.arange(n).astype(np.int32)
    best_score = best_of(scores)
    for place in range(min(k, n)):
        chosen = _take_next(order, place, scores, best_score, strength, nearest)
        first, end = starts[items[chosen]], starts[items[chosen] + 1]
        for at in range(place + 1, n):
            here = order[at]
            low, high = first, end
            while low < high:  # rows are by ascending film
                middle = (low + high) // 2
                if neighbours[middle] < items[here]:
                    low = middle + 1
                else:
                    high = middle
            if low < end and neighbours[low] == items[here]:
                nearest[here] = max(nearest[here], np.float64(cosines[low]))
    return order


def diversify_genres(shortlist: Shortlist, strength: float, k: int,
                     situation: Situation) -> Shortlist:
    """Next: the film with most (1 - strength) score / best score - strength max Jaccard."""
    features = situation.features
    return shortlist.ordered(_by_genres(shortlist.items, shortlist.scores, strength, k,
                                        features.genre_starts, features.genre_rows))


def diversify_content(shortlist: Shortlist, strength: float, k: int,
                      situation: Situation) -> Shortlist:
    """The same with the cosine of content vectors, 0 for films that are no neighbours."""
    content = situation.features.content
    return shortlist.ordered(_by_content(shortlist.items, shortlist.scores, strength, k,
                                         content.starts, content.items, content.weights))


MMR = RerankerSpec("mmr", "weight of differing in genres from the films before", diversify_genres)
MMR_CONTENT = RerankerSpec("mmr_content", "weight of differing in content from the films before",
                           diversify_content)
