"""Calibrated genres: the list holds the genres of the history in their proportions.

Steck (2018), "Calibrated recommendations", RecSys.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from recommender.rerank.greedy import best_of, bring_forward
from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation, readonly
from recommender.rerank.taste import genre_shares

SMOOTHING = 0.01
"""Share of p mixed into q, so that a genre missing from the list costs much but not without end."""

_SIGNATURE = nb.int32[::1](
    readonly(nb.int32), readonly(nb.float32), nb.float64, nb.int64,
    readonly(nb.float64), readonly(nb.int32), readonly(nb.int32),
)


@nb.njit(_SIGNATURE, cache=True)
def _calibrate(items, scores, strength, k, wanted, starts, rows):  # type: ignore[no-untyped-def]
    n, n_genres = len(items), len(wanted)
    amounts = np.zeros(n_genres, np.float64)  # of the films chosen so far, each film 1 in all
    order = np.arange(n).astype(np.int32)
    best_score = best_of(scores)
    kept = 1.0 - SMOOTHING
    for place in range(min(k, n)):
        length = place + 1.0
        # -KL = sum p log q - sum p log p; the second sum is the same for all candidates.
        fit_before = 0.0
        for genre in range(n_genres):
            if wanted[genre] > 0:
                fit_before += wanted[genre] * math.log(
                    kept * amounts[genre] / length + SMOOTHING * wanted[genre])
        best, best_value = place, -np.inf
        for at in range(place, n):
            here = order[at]
            first, end = starts[items[here]], starts[items[here] + 1]
            fit = fit_before
            for row in range(first, end):
                genre = rows[row]
                if wanted[genre] > 0:
                    smooth = SMOOTHING * wanted[genre]
                    before = kept * amounts[genre] / length + smooth
                    more = kept * (amounts[genre] + 1.0 / (end - first)) / length + smooth
                    fit += wanted[genre] * math.log(more / before)
            value = (1.0 - strength) * scores[here] / best_score + strength * fit
            if value > best_value:
                best, best_value = at, value
        bring_forward(order, best, place)
        chosen = order[place]
        first, end = starts[items[chosen]], starts[items[chosen] + 1]
        for row in range(first, end):
            amounts[rows[row]] += 1.0 / (end - first)
    return order


def calibrate_genres(shortlist: Shortlist, strength: float, k: int,
                     situation: Situation) -> Shortlist:
    """Greedy for (1 - strength) sum of score / best score - strength KL(p || q).

    p: genres of the history (`taste.genre_shares`); q: of the list, mixed with `SMOOTHING` of p.
    """
    features, wanted = situation.features, genre_shares(situation)
    if not wanted.any():
        return shortlist
    return shortlist.ordered(_calibrate(shortlist.items, shortlist.scores, strength, k, wanted,
                                        features.genre_starts, features.genre_rows))


CALIBRATED_GENRES = RerankerSpec(
    "calibrated_genres", "weight of holding the genres of the history in their proportions",
    calibrate_genres)
