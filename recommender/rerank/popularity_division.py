"""Scores divided by a power of popularity: what everybody takes anyway is recommended less."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from recommender.arrays import Float32s
from recommender.rerank.features import ItemFeatures
from recommender.rerank.reranker import RerankerSpec


@lru_cache(maxsize=8)  # a serving chain asks for the same array with every list
def division_by_popularity(features: ItemFeatures, strength: float) -> Float32s:
    """1 / max(users per film, 1)^strength: float32 of shape (n_items,).

    Steck (2011), "Item popularity and recommendation accuracy".
    """
    factor: Float32s = np.maximum(features.popularity, np.float32(1.0)) ** np.float32(-strength)
    factor.setflags(write=False)
    return factor


POPULARITY_DIVISION = RerankerSpec(
    "popularity_division", "power of a film's popularity that divides its score",
    factor=division_by_popularity)
