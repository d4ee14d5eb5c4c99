"""Scores divided by a power of popularity: what everybody takes anyway is recommended less."""

from __future__ import annotations

import numpy as np

from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation


def divide_by_popularity(shortlist: Shortlist, strength: float, k: int,
                         situation: Situation) -> Shortlist:
    """score' = score / max(users per film, 1)^strength, best first; ties keep their order.

    Steck (2011), "Item popularity and recommendation accuracy".
    """
    popularity = np.maximum(situation.features.popularity[shortlist.items], np.float32(1.0))
    scores = (shortlist.scores * popularity**-strength).astype(np.float32)
    order = np.argsort(-scores, kind="stable").astype(np.int32)
    return shortlist._replace(scores=scores).ordered(order)


POPULARITY_DIVISION = RerankerSpec(
    "popularity_division", "power of a film's popularity that divides its score",
    divide_by_popularity)
